"""The most rows a second with a p99 below ten milliseconds; a data point is a row of ten numbers."""

from __future__ import annotations

from benchmarks.serving.run import Run

ROWS = (100, 250, 1000)
CONNECTIONS = (2, 4, 8, 16)
P99_MILLISECONDS = 10.0
TARGET = 2_000_000


def measure(run: Run) -> None:
    """Every number of rows a request with every number of connections, on ours."""
    best, at = 0.0, "none"
    with run.bench.ours("mlp") as server:
        for rows in ROWS:
            body = server.body("mlp", rows)
            server.load(body, 1)
            for connections in CONNECTIONS:
                sample = server.load(body, run.seconds, connections)
                rate = rows * sample.rate
                run.results.point(rows, connections, sample)
                where = f"{rows} rows a request, {connections} connections, p99 {sample.p99:.3g} ms"
                if sample.p99 < P99_MILLISECONDS and not sample.failed and rate > best:
                    best, at = rate, where
    run.results.figure("most data points with p99 < 10 ms", best, "rows/s", TARGET, at, at_least=True)
