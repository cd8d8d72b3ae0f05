"""Processor time that the server adds to the engine, a request of one row."""

from __future__ import annotations

import time

from benchmarks.serving import models
from benchmarks.serving.run import Run
from ropewalk_server.model import load

TARGET_MICROS = 60.0
CALLS = 50_000


def measure(run: Run) -> None:
    """The server's user and system time over its requests, less what the engine alone takes for the same row."""
    session = load(run.bench.folder / "mlp" / "version", None).session()
    row = models.rows("mlp", 1)
    for _ in range(CALLS // 10):
        session(row)
    began = time.process_time()
    for _ in range(CALLS):
        session(row)
    engine = (time.process_time() - began) / CALLS * 1e6
    micros = []
    with run.bench.ours("mlp") as server:
        body = server.body("mlp", 1)
        server.load(body, 1)
        for _ in range(run.rounds):
            before = server.process.cpu_seconds()
            sample = server.load(body, run.seconds)
            micros.append((server.process.cpu_seconds() - before) / sample.answered * 1e6 - engine)
    shown = f"the engine's bare call: {engine:.2f} us"
    run.results.figure("processor time of a request beyond the engine, 1 row", micros, "us", TARGET_MICROS, shown)
