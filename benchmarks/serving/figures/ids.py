"""Rows of two numbers and five id columns of 4,000 words each, by our server alone: no peer takes such rows."""

from __future__ import annotations

import contextlib
from statistics import median

from benchmarks.serving import models
from benchmarks.serving.figures.speed import OURS, OURS_TWICE, REPLICAS, WARM_SECONDS, Load
from benchmarks.serving.run import Run
from benchmarks.serving.servers import load_all

LOADS = (
    Load("ids5", models.IDS, 1, "five id columns, 1 row", connections=64),
    Load("ids5 rows100", models.IDS, 100, "five id columns, 100 rows"),
)


def measure(run: Run) -> None:
    """The loads of `single` and `rows100`, on one of ours and on two replicas."""
    for name, replicas in ((OURS, 1), (OURS_TWICE, REPLICAS)):
        with contextlib.ExitStack() as stack:
            servers = [stack.enter_context(run.bench.ours(models.IDS)) for _ in range(replicas)]
            for load in LOADS:
                body = servers[0].body(load.model, load.rows)
                load_all(servers, body, min(WARM_SECONDS, run.seconds), load.connections)
                samples = [load_all(servers, body, run.seconds, load.connections) for _ in range(run.rounds)]
                for sample in samples:
                    run.results.sample(name, "auto", load.name, load.rows, sample)
                shown = load.shown if replicas == 1 else f"{load.shown}, {replicas} replicas"
                failed = f"{sum(sample.failed for sample in samples)} failed"
                run.results.figure(shown, [sample.rate for sample in samples], "requests/s", None, failed)
                run.results.figure(f"{shown}, p99", median(sample.p99 for sample in samples), "ms")
