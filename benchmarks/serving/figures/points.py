"""The most rows a second with a p99 below ten milliseconds; a data point is a row of ten numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.serving.run import Run
from benchmarks.serving.servers import Server
from benchmarks.serving.wrk import Sample

ROWS = (100, 250, 1000)
CONNECTIONS = (2, 4, 8, 16)
REPLICAS = 2
P99_MILLISECONDS = 10.0
TARGET = 2_000_000


def measure(run: Run) -> None:
    """Every number of rows a request with every number of connections, on one of ours and on two replicas."""
    for replicas in (1, REPLICAS):
        best, at = 0.0, "none"
        with contextlib.ExitStack() as stack:
            servers = [stack.enter_context(run.bench.ours("mlp")) for _ in range(replicas)]
            for rows in ROWS:
                body = servers[0].body("mlp", rows)
                _load(servers, body, 1, 2)
                for connections in CONNECTIONS:
                    samples = _load(servers, body, run.seconds, max(1, connections // replicas))
                    rate = rows * sum(one.rate for one in samples)
                    slowest = max(one.p99 for one in samples)
                    if replicas == 1:
                        run.results.point(rows, connections, samples[0])
                    where = f"{rows} rows a request, {connections} connections, p99 {slowest:.3g} ms"
                    if slowest < P99_MILLISECONDS and not any(one.failed for one in samples) and rate > best:
                        best, at = rate, where
        name = "most data points with p99 < 10 ms" + ("" if replicas == 1 else f", {replicas} replicas")
        run.results.figure(name, best, "rows/s", TARGET, at, at_least=True)


def _load(servers: Sequence[Server], body: bytes, seconds: float, connections: int) -> list[Sample]:
    """So many connections to each server, all at once."""
    with ThreadPoolExecutor(len(servers)) as pool:
        return list(pool.map(lambda server: server.load(body, seconds, connections), servers))
