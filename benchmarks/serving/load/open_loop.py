"""An open load: requests leave at a fixed rate whether answers come or not, as the world's do.

`python -m benchmarks.serving.load.open_loop PORT PATH BODY HEADERS RATE SECONDS CONNECTIONS`, where BODY is a file and
HEADERS a JSON object, prints a JSON object: by HTTP status how many answers there were and their latencies' p50 and p99
in milliseconds from sending on; `unsent` are requests that found every connection waiting for an answer, `unanswered`
those whose answers never came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import httptools
import numpy as np
import uvloop

DRAIN_SECONDS = 5.0


class Client(asyncio.Protocol):
    """A connection that is free or waits for one answer."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._parser = httptools.HttpResponseParser(self)
        self._sent = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._load.free.append(self)

    def send(self, request: bytes) -> None:
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        took = time.perf_counter() - self._sent
        self._load.latencies.setdefault(self._parser.get_status_code(), []).append(took)
        keep = self._parser.should_keep_alive()
        self._parser = httptools.HttpResponseParser(self)
        if keep:
            self._load.free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._load.free:
            self._load.free.remove(self)
        self._load.lost += 1


class Load:
    """The run."""

    def __init__(self) -> None:
        self.free: list[Client] = []
        self.latencies: dict[int, list[float]] = {}
        self.lost = 0

    async def run(self, port: int, request: bytes, rate: float, seconds: float, connections: int) -> dict[str, object]:
        """Send for `seconds`, wait for what is owed, and count."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Client(self), "127.0.0.1", port)
        sent = unsent = 0
        began = time.perf_counter()
        while (now := time.perf_counter() - began) < seconds:
            for _ in range(int(now * rate) - sent - unsent):
                if self.free:
                    self.free.pop().send(request)
                    sent += 1
                else:
                    unsent += 1
            await asyncio.sleep(0.001)
        end = time.perf_counter() + DRAIN_SECONDS
        while sum(map(len, self.latencies.values())) < sent and time.perf_counter() < end:
            await asyncio.sleep(0.01)
        answers = {status: _summary(taken) for status, taken in self.latencies.items()}
        return {
            "sent": sent,
            "unsent": unsent,
            "unanswered": sent - sum(map(len, self.latencies.values())),
            "lost": self.lost,
            "answers": answers,
        }


def _summary(taken: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(taken, (50, 99)) * 1000
    return {"count": len(taken), "p50": float(p50), "p99": float(p99)}


def main() -> None:
    """Parse the command line and run."""
    port, path, file, headers, rate, seconds, connections = sys.argv[1:]
    body = Path(file).read_bytes()
    given = {"host": "127.0.0.1", **json.loads(headers), "content-length": len(body)}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    request = "\r\n".join(lines).encode() + body
    found = uvloop.run(Load().run(int(port), request, float(rate), float(seconds), int(connections)))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
