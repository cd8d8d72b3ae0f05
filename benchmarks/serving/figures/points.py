"""The most rows a second with a p99 below ten milliseconds; a data point is a row of ten numbers."""

from __future__ import annotations

import contextlib

from benchmarks.serving.run import Run
from benchmarks.serving.servers import load_all

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
                load_all(servers, body, 1, 2)
                for connections in CONNECTIONS:
                    sample = load_all(servers, body, run.seconds, connections)
                    rate = rows * sample.rate
                    if replicas == 1:
                        run.results.point(rows, connections, sample)
                    where = f"{rows} rows a request, {connections} connections, p99 {sample.p99:.3g} ms"
                    if sample.p99 < P99_MILLISECONDS and not sample.failed and rate > best:
                        best, at = rate, where
        name = "most data points with p99 < 10 ms" + ("" if replicas == 1 else f", {replicas} replicas")
        run.results.figure(name, best, "rows/s", TARGET, at, at_least=True)
