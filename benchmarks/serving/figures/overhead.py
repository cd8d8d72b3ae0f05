"""Processor time that the server adds to the engine in a request of one row, and what of it is monitoring."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.serving import models
from benchmarks.serving.run import Run
from benchmarks.serving.servers import Server
from ropewalk_server.protocols.common.decoders import DECODERS
from ropewalk_server.serving.model import load

TARGET_MICROS = 60.0
TARGET_SHARE = 5.0
CALLS = 50_000
CONNECTIONS = 16
LOADS = 5
WAYS = (True, False)


def measure(run: Run) -> None:
    """The server's user and system time over its requests, less what the engine alone takes for the same row."""
    session = load(run.bench.folder / "mlp" / "version", None, decoders=DECODERS).session()
    row = models.rows("mlp", 1)
    for _ in range(CALLS // 10):
        session(row)
    began = time.process_time()
    for _ in range(CALLS):
        session(row)
    engine = (time.process_time() - began) / CALLS * 1e6
    with run.bench.ours("mlp") as server:
        whole = [_micros(run, server) for _ in range(run.rounds + 1)][1:]
    shown = f"the engine's bare call: {engine:.2f} us"
    beyond = [one - engine for one in whole]
    run.results.figure("processor time of a request beyond the engine, 1 row", beyond, "us", TARGET_MICROS, shown)
    _monitoring(run)


def _monitoring(run: Run) -> None:
    """What `benchmarks.serving.switched` says of one long load on a model with a baseline."""
    with run.bench.ours("table", switched=True) as server:
        body = server.body("table", 1)
        server.load(body, 1, CONNECTIONS)
        known = len(_spans(server.process.log))
        for _ in range(LOADS):
            server.load(body, 3 * run.rounds * run.seconds / LOADS, CONNECTIONS)
        spans = _spans(server.process.log)[known:]
    full = [one for one in spans if one["requests"] > median(each["requests"] for each in spans) / 2]
    rate = {way: median(one["requests"] / one["seconds"] for one in full if one["counting"] == way) for way in WAYS}
    cost = {way: median(one["cpu"] / one["requests"] for one in full if one["counting"] == way) * 1e6 for way in WAYS}
    shown = (
        f"{rate[True]:,.0f} requests/s for {cost[True]:.1f} us each, "
        f"{rate[False]:,.0f} for {cost[False]:.1f} us without counting"
    )
    share = 100 * (1 - rate[True] / rate[False])
    run.results.figure("throughput that goes to monitoring, 1 row", share, "%", TARGET_SHARE, shown)


def _spans(log: Path) -> list[dict[str, Any]]:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith('{"counting"')]
    return [json.loads(line) for line in lines]


def _micros(run: Run, server: Server) -> float:
    """The server's processor time a request."""
    before = server.process.cpu_seconds()
    sample = server.load(server.body("mlp", 1), run.seconds, CONNECTIONS)
    return (server.process.cpu_seconds() - before) / sample.answered * 1e6
