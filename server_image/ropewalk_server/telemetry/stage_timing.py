"""Stages of a request and their times."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

from ropewalk_server.serving.types import Times

STAGES = ("decode", "queue", "infer", "encode")
STAGE_EDGES = (
    0.000001, 0.0000025, 0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
    0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds in seconds; one more count follows for what is slower. Cheap stages take microseconds."""
EVERY = 16
"""One request of so many is broken down: all of them would cost a tenth of the cheapest request."""


class StageTimes:
    """Latency histograms of one version, one a stage, of every EVERY-th request."""

    def __init__(self) -> None:
        self.counts = {stage: [0] * (len(STAGE_EDGES) + 1) for stage in STAGES}
        self.sums = dict.fromkeys(STAGES, 0.0)
        self._turn = 0

    def add(self, times: Times, ended: float, requests: int = 1) -> None:
        """Count one of the requests that were answered together, if it is its turn."""
        self._turn -= requests
        if self._turn >= 0:
            return
        self._turn = EVERY - 1
        marks = (*times, ended)
        for stage, (start, end) in zip(STAGES, pairwise(marks), strict=True):
            self.counts[stage][bisect_left(STAGE_EDGES, end - start)] += 1
            self.sums[stage] += end - start
