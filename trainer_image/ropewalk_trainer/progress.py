"""What the run is doing right now, served on :8090/progress for the operator's scrape."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ropewalk_contract import wire
from ropewalk_contract.documents import progress as documents
from ropewalk_contract.documents.progress import Epochs

log = logging.getLogger(__name__)


class Progress:
    """Stage states with times, and the epoch. Written by the runner's thread, read by the server's."""

    def __init__(self, stages: tuple[str, ...], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stages: dict[str, list[Any]] = {name: [name, "Pending", None, None] for name in stages}
        self._stage = ""
        self._epochs: Epochs | None = None

    def begin(self, stage: str) -> None:
        """The stage is Running."""
        with self._lock:
            self._stages[stage][1:] = ["Running", round(self._clock(), 3), None]
            self._stage, self._epochs = stage, None

    def end(self, stage: str, state: str) -> None:
        """The stage ended as Succeeded, Cached, Skipped or Failed."""
        with self._lock:
            row = self._stages[stage]
            now = round(self._clock(), 3)
            self._stages[stage] = [stage, state, row[2] or now, now]

    def epoch(self, epoch: int, epochs: int, loss: float, eta_seconds: float) -> None:
        """One more epoch is done."""
        with self._lock:
            self._epochs = Epochs(epoch, epochs, loss, eta_seconds)

    @property
    def stages(self) -> list[list[Any]]:
        """[name, state, start, end] of every stage."""
        with self._lock:
            return [list(row) for row in self._stages.values()]

    def document(self) -> dict[str, Any]:
        """The answer of GET /progress."""
        with self._lock:
            rows = tuple((name, state, start, end) for name, state, start, end in self._stages.values())
            return documents.Progress(self._stage, rows, self._epochs).document()

    def serve(self) -> Callable[[], None]:
        """Serve in a thread; returns a function that stops it. A port in use is logged, not fatal."""
        progress = self

        class Handler(BaseHTTPRequestHandler):
            """GET /progress."""

            timeout = 5

            def do_GET(self) -> None:
                """Answer."""
                if self.path != wire.PROGRESS_PATH:
                    self.send_error(404)
                    return
                body = json.dumps(progress.document()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: a scrape a second is not news."""

        port = int(os.environ.get(wire.PROGRESS_PORT_VARIABLE, wire.PROGRESS_PORT))
        try:
            server = ThreadingHTTPServer(("", port), Handler)
        except OSError as error:
            log.warning("progress is not served: port %d: %s", port, error.strerror)
            return lambda: None
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True, name="progress").start()

        def stop() -> None:
            server.shutdown()
            server.server_close()

        return stop
