"""Processor time that the server adds to the engine in a request of one row, and what of it is monitoring."""

from __future__ import annotations

import time
from statistics import median

from benchmarks.serving import models
from benchmarks.serving.run import Run
from ropewalk_server.model import load

TARGET_MICROS = 60.0
TARGET_SHARE = 5.0
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
    whole, bare = _micros(run, monitored=True), _micros(run, monitored=False)
    shown = f"the engine's bare call: {engine:.2f} us"
    beyond = [one - engine for one in whole]
    run.results.figure("processor time of a request beyond the engine, 1 row", beyond, "us", TARGET_MICROS, shown)
    share = 100 * (1 - median(bare) / median(whole))
    shown = f"{median(whole):.1f} us a request, {median(bare):.1f} us without counting"
    run.results.figure("processor time that goes to monitoring, 1 row", share, "%", TARGET_SHARE, shown)


def _micros(run: Run, *, monitored: bool) -> list[float]:
    """The server's processor time a request, in each round."""
    found = []
    with run.bench.ours("mlp", monitored=monitored) as server:
        body = server.body("mlp", 1)
        server.load(body, 1)
        for _ in range(run.rounds):
            before = server.process.cpu_seconds()
            sample = server.load(body, run.seconds)
            found.append((server.process.cpu_seconds() - before) / sample.answered * 1e6)
    return found
