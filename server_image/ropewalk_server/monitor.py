"""Additive counts of what each version answered, in closed, epoch-aligned buckets (one event loop, no locks).

Requests and latencies are counted at once. Rows are kept aside and counted into the baseline's bins a thousand at a
time, because a histogram of one row costs nearly as much as one of a thousand. When rows come faster than they
can be counted without being felt, every k-th batch (or row of a large batch) is counted: shares stay unbiased.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.histograms import Counter
from ropewalk_model.windows import Bucket
from ropewalk_server.log import log
from ropewalk_server.model import Model
from ropewalk_server.protocols.batch import Batch, concatenate

LATENCY_EDGES = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds in seconds; one more count follows for what is slower."""
MAX_BUCKETS = 1500
FLUSH_ROWS = 1024
ROWS_A_SECOND = 20_000
"""Above this rate rows are sampled."""


@dataclass
class Totals:
    """Counters since the process started, for Prometheus (a version's, over all its buckets)."""

    codes: dict[int, int] = field(default_factory=dict)
    rows: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_EDGES) + 1))
    latency_sum: float = 0.0
    features: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    predictions: NDArray[np.int64] | None = None
    labels: int = 0
    labels_correct: int = 0
    engine: str = ""


class Open:
    """The bucket being filled for one version."""

    def __init__(self, start: int, version: int, model: Model) -> None:
        self.start = start
        self.version = version
        self.model = model
        self.requests = self.errors = self.client_errors = self.rows = 0
        self.latency = [0] * (len(LATENCY_EDGES) + 1)
        self.pending: list[Batch] = []
        self.pending_answers: list[NDArray[np.float32]] = []
        self.pending_rows = 0
        self.counter = Counter(model.baseline.bins)
        self.predictions = np.zeros(model.baseline.prediction_bins.size, dtype=np.int64)
        self.label_count = self.label_correct = 0
        classes = len(model.classes)
        self.confusion = [[0] * classes for _ in range(classes)]

    def flush(self) -> None:
        """Count the rows kept aside."""
        if not self.pending:
            return
        columns = concatenate(self.pending)
        answers = np.concatenate(self.pending_answers)
        self.pending, self.pending_answers, self.pending_rows = [], [], 0
        try:
            self.counter.add(columns)
            self.predictions += prediction_counts(self.model, answers)
        except (ValueError, KeyError, TypeError) as error:
            log("error", "rows could not be counted", version=self.version, error=repr(error))

    def document(self, seconds: int) -> dict[str, Any]:
        """The bucket as in GET /windows, with two fields more than the operator needs."""
        bucket = Bucket(
            start=self.start,
            seconds=seconds,
            version=self.version,
            digest=self.model.digest,
            requests=self.requests,
            errors=self.errors,
            rows=self.rows,
            edges_seconds=LATENCY_EDGES,
            latency_counts=tuple(self.latency),
            features={name: tuple(counts) for name, counts in self.counter.counts.items()},
            predictions=tuple(self.predictions.tolist()),
            label_count=self.label_count,
            label_correct=self.label_correct,
            confusion=tuple(tuple(row) for row in self.confusion),
        )
        return {**bucket.document(), "clientErrors": self.client_errors, "sampledRows": self.counter.rows}


def prediction_counts(model: Model, core: NDArray[np.float32]) -> NDArray[np.int64]:
    """Predictions in the baseline's bins: classes, or a regression's values."""
    if not model.classes:
        return model.baseline.prediction_bins.count(core.reshape(-1))
    counts = np.zeros(model.baseline.prediction_bins.size, dtype=np.int64)
    counts[: len(model.classes)] = np.bincount(core.argmax(axis=1), minlength=len(model.classes))
    return counts


class Monitor:
    """All versions' buckets. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time, rows_a_second: int = ROWS_A_SECOND) -> None:
        self._clock = clock
        self._rows_a_second = rows_a_second
        self.seconds = 60
        self._open: dict[int, Open] = {}
        self._ends = 0.0
        self._closed: list[dict[str, Any]] = []
        self.totals: dict[int, Totals] = {}
        self._second = 0
        self._second_rows = 0
        self._last_rows = 0
        self._turn = 0
        self.feedback_rejected = 0

    def follow(self, bucket_seconds: int) -> None:
        """Take another bucket length; what was counted in the old one is closed early."""
        if bucket_seconds != self.seconds:
            self._close_all()
            self.seconds = bucket_seconds

    def _bucket(self, version: int, model: Model) -> Open:
        now = self._clock()
        if now >= self._ends or now < self._ends - self.seconds:
            self._close_all()
            self._ends = float(int(now) - int(now) % self.seconds + self.seconds)
        bucket = self._open.get(version)
        if bucket is None or bucket.model is not model:
            if bucket is not None:
                self._close(bucket)
            bucket = self._open[version] = Open(int(self._ends) - self.seconds, version, model)
            totals = self.totals.setdefault(version, Totals())
            totals.engine = model.engine_name
        return bucket

    def answered(self, version: int, model: Model, seconds: float, batch: Batch, core: NDArray[np.float32]) -> None:
        """A request that was answered with predictions."""
        bucket = self._bucket(version, model)
        rows = batch.rows
        bucket.requests += 1
        bucket.rows += rows
        slot = bisect_left(LATENCY_EDGES, seconds)
        bucket.latency[slot] += 1
        totals = self.totals[version]
        totals.codes[200] = totals.codes.get(200, 0) + 1
        totals.rows += rows
        totals.latency[slot] += 1
        totals.latency_sum += seconds
        step = self._step(rows)
        if step > 1:
            self._turn += 1
            if rows < step:
                if self._turn % step:
                    return
            else:
                batch, core = batch.every(step, self._turn % step), core[self._turn % step :: step]
        bucket.pending.append(batch)
        bucket.pending_answers.append(core)
        bucket.pending_rows += batch.rows
        if bucket.pending_rows >= FLUSH_ROWS:
            bucket.flush()

    def _step(self, rows: int) -> int:
        """1: count all; k: count every k-th, by the rate of the last second and of this one."""
        second = int(self._ends if self._clock is None else self._clock())
        if second != self._second:
            self._last_rows = self._second_rows if second == self._second + 1 else 0
            self._second, self._second_rows = second, 0
        self._second_rows += rows
        return 1 + max(self._last_rows, self._second_rows) // self._rows_a_second

    def failed(self, version: int, model: Model, status: int, seconds: float) -> None:
        """A request for this version that got an error. `errors` are the server's (5xx), which fail a rollout."""
        bucket = self._bucket(version, model)
        bucket.requests += 1
        if status >= 500:
            bucket.errors += 1
        else:
            bucket.client_errors += 1
        slot = bisect_left(LATENCY_EDGES, seconds)
        bucket.latency[slot] += 1
        totals = self.totals[version]
        totals.codes[status] = totals.codes.get(status, 0) + 1
        totals.latency[slot] += 1
        totals.latency_sum += seconds

    def labelled(self, version: int, model: Model, *, predicted: int, truth: int) -> None:
        """A label that came for an answer of this version; classes by index."""
        bucket = self._bucket(version, model)
        correct = int(predicted == truth)
        bucket.label_count += 1
        bucket.label_correct += correct
        bucket.confusion[truth][predicted] += 1
        totals = self.totals[version]
        totals.labels += 1
        totals.labels_correct += correct

    def _close(self, bucket: Open) -> None:
        bucket.flush()
        self._closed.append(bucket.document(self.seconds))
        totals = self.totals[bucket.version]
        add_counts(totals, bucket)
        del self._closed[:-MAX_BUCKETS]

    def _close_all(self) -> None:
        for bucket in self._open.values():
            self._close(bucket)
        self._open = {}

    def tick(self) -> None:
        """Close buckets that ended, so that a quiet pod's last requests are seen. Call every second or so."""
        if self._open and self._clock() >= self._ends:
            self._close_all()

    def windows(self) -> list[dict[str, Any]]:
        """The closed buckets, oldest first, at most MAX_BUCKETS."""
        self.tick()
        return self._closed

    def counts(self) -> Iterator[tuple[int, Totals, Open | None]]:
        """Totals by version with the open bucket, whose histograms are not in the totals yet."""
        for version, totals in sorted(self.totals.items()):
            bucket = self._open.get(version)
            if bucket is not None:
                bucket.flush()
            yield version, totals, bucket


def add_counts(totals: Totals, bucket: Open) -> None:
    """Add a closed bucket's histograms to the totals; another bin layout (another model) starts anew."""
    for name, values in bucket.counter.counts.items():
        counts = np.asarray(values, dtype=np.int64)
        former = totals.features.get(name)
        totals.features[name] = counts if former is None or len(former) != len(counts) else former + counts
    former = totals.predictions
    if former is None or len(former) != len(bucket.predictions):
        totals.predictions = bucket.predictions
    else:
        totals.predictions = former + bucket.predictions
