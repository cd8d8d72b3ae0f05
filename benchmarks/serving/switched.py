"""Our server, which stops counting its requests and begins again several times a second, and says what either costs.

What a machine does meanwhile and where a process happens to have its memory cost more than the counting: two servers,
or two loads on one, differ by a tenth. So it is switched within one load. Lines go to standard output:
`{"counting": true, "requests": 11000, "cpu": 0.2, "seconds": 0.2}`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence

from ropewalk_server.app.http_app import HttpApp, Ruling
from ropewalk_server.app.main import main
from ropewalk_server.serving.types import Answered
from ropewalk_server.telemetry.recorder import Recorder
from ropewalk_server.transport.http1.types import Answer, Request

SPAN = 0.2
"""Seconds between two switches."""


def switch() -> None:
    """Measure both ways in turns, for ever."""
    answered = 0
    together, handle, count = HttpApp.together, HttpApp.handle, Recorder.answered

    def counted_together(self: HttpApp, requests: Sequence[Request]) -> list[Answer]:
        nonlocal answered
        answered += len(requests) if len(requests) > 1 else 0
        return together(self, requests)

    def counted_handle(self: HttpApp, request: Request, verdict: Ruling | None = None) -> Answer:
        nonlocal answered
        answered += 1
        return handle(self, request, verdict)

    def leave_out(self: Recorder, one: Answered) -> None:
        pass

    HttpApp.together, HttpApp.handle = counted_together, counted_handle  # type: ignore[method-assign]
    counting = True
    while True:
        before, cpu, began = answered, time.process_time(), time.perf_counter()
        time.sleep(SPAN)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        found = {"counting": counting, "requests": answered - before, "cpu": cpu, "seconds": seconds}
        print(json.dumps(found), flush=True)
        counting = not counting
        Recorder.answered = count if counting else leave_out  # type: ignore[method-assign]


if __name__ == "__main__":
    threading.Thread(target=switch, daemon=True).start()
    raise SystemExit(main())
