"""Counts of a version: the bucket being filled, and the totals since the process started."""

from __future__ import annotations

import collections
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.baseline import Baseline
from ropewalk_model.features.bins import Bins
from ropewalk_model.histograms import Counter
from ropewalk_model.windows import Bucket, ClassCounts, add_classes
from ropewalk_server.log import log
from ropewalk_server.serving.batch import Batch, concatenate
from ropewalk_server.serving.types import PROTOCOLS
from ropewalk_server.telemetry.stage_timing import StageTimes

FLUSH_ROWS = 1024
FLUSH_BYTES = 4 << 20
"""Rows kept aside are counted when they are so many, or take so much: a thousand large images are half a gigabyte."""
FLUSH_TEXTS = 128
"""Texts that are counted at once, which take 4 to 12 us each: all others wait meanwhile."""
LATENCY_EDGES = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds in seconds; one more count follows for what is slower."""
ROW_EDGES = tuple(2**power for power in range(15))
"""Upper bounds of rows; one more count follows for what has more."""
LAG_EDGES = (60.0, 600.0, 3600.0, 21600.0, 86400.0, 259200.0, 604800.0, 1209600.0, 2592000.0)
"""Upper bounds in seconds, from a minute to the thirty days for which a receipt is good."""
EXPECTED_CODES = (200, 400, 500)
"""Counted from zero, so that a rate sees the first of them; others are rare."""


class BinSource(Protocol):
    """The part of a model that counting needs."""

    @property
    def digest(self) -> str: ...
    @property
    def manifest_digest(self) -> str: ...
    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def baseline(self) -> Baseline: ...


@dataclass(frozen=True)
class RetiredVersion:
    """Bins and classes of a version that may be unloaded already: labels for its answers come late."""

    digest: str
    manifest_digest: str
    classes: Sequence[str]
    baseline: Baseline

    @staticmethod
    def of(model: BinSource) -> RetiredVersion:
        """All that stays of a model."""
        return RetiredVersion(model.digest, model.manifest_digest, model.classes, model.baseline)


@dataclass
class Totals:
    """Counters since the process started, for Prometheus (a version's, over all its buckets)."""

    codes: dict[str, dict[int, int]] = field(
        default_factory=lambda: {protocol: dict.fromkeys(EXPECTED_CODES, 0) for protocol in PROTOCOLS}
    )
    """By protocol and HTTP status."""
    rows: int = 0
    alone: list[int] = field(default_factory=lambda: [0] * (len(ROW_EDGES) + 1))
    """By their rows, requests that were computations of their own: nearly all of a cheap model's."""
    together: list[int] = field(default_factory=lambda: [0] * (len(ROW_EDGES) + 1))
    """Requests that were computed with others."""
    batches: list[int] = field(default_factory=lambda: [0] * (len(ROW_EDGES) + 1))
    """Computations for these."""
    together_rows: int = 0
    batches_rows: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_EDGES) + 1))
    latency_sum: float = 0.0
    features: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    predictions: NDArray[np.int64] | None = None
    bin_labels: Mapping[str, list[str]] = field(default_factory=dict)
    prediction_labels: list[str] = field(default_factory=list)
    labels: int = 0
    labels_correct: int = 0
    label_lag: list[int] = field(default_factory=lambda: [0] * (len(LAG_EDGES) + 1))
    label_lag_sum: float = 0.0
    stages: StageTimes = field(default_factory=StageTimes)
    sampled_out: int = 0
    """Rows that were answered but left out of the histograms, because rows came too fast."""
    dropped: int = 0
    """Rows that could not be counted: an error of this server, which its log tells."""

    def count_rows(self, rows: int, computed: int, counts: Sequence[int] = ()) -> None:
        """Of a request, in a computation of so many rows (0: another request counts that), or of requests of one turn
        with so many rows each, which were one computation."""
        if len(counts) <= 1 and computed == rows:
            self.alone[0 if rows == 1 else bisect_left(ROW_EDGES, rows)] += 1
            return
        self.together_rows += rows
        if len(counts) == rows:
            self.together[0] += rows
        else:
            for count in counts or (rows,):
                self.together[bisect_left(ROW_EDGES, count)] += 1
        if computed:
            self.batches[bisect_left(ROW_EDGES, computed)] += 1
            self.batches_rows += computed

    @property
    def request_rows(self) -> list[int]:
        """Requests by their rows."""
        return [sum(pair) for pair in zip(self.alone, self.together, strict=True)]

    @property
    def batch_rows(self) -> list[int]:
        """An engine's computations by their rows."""
        return [sum(pair) for pair in zip(self.alone, self.batches, strict=True)]

    @property
    def computed(self) -> int:
        """Rows of all computations."""
        return self.rows - self.together_rows + self.batches_rows

    @staticmethod
    def of(model: BinSource) -> Totals:
        """Of a version that has not answered yet: zeros, in all its bins."""
        found = Totals()
        found.describe(model)
        return found

    def describe(self, model: BinSource) -> None:
        """Take the bins' labels from the model that answers for this version now; where nothing was counted in them,
        they stand at zero."""
        bins, predictions = model.baseline.bins, model.baseline.prediction_bins
        self.bin_labels = {name: labels_of(one) for name, one in bins.items()}
        self.prediction_labels = labels_of(predictions)
        zeros = {name: np.zeros(one.size, dtype=np.int64) for name, one in bins.items()}
        self.features = {name: sum_of(self.features.get(name), zero) for name, zero in zeros.items()}
        self.predictions = sum_of(self.predictions, np.zeros(predictions.size, dtype=np.int64))

    def add(self, bucket: OpenBucket) -> None:
        """Add a closed bucket's histograms."""
        counted = self.counted(bucket)
        self.features = {name: counts for name, (_, counts) in counted.features.items()}
        self.predictions = counted.predictions[1]
        self.dropped = counted.rows["dropped"]

    def counted(self, bucket: OpenBucket | None) -> Counted:
        """The histograms with those of `bucket`, whose rows kept aside have been counted."""
        features, predictions, dropped = dict(self.features), self.predictions, self.dropped
        if bucket is not None:
            for name, values in bucket.counter.counts.items():
                features[name] = sum_of(features.get(name), np.asarray(values, dtype=np.int64))
            predictions = sum_of(predictions, bucket.predictions)
            dropped += bucket.dropped
        named = {name: (self.bin_labels[name], counts) for name, counts in features.items() if name in self.bin_labels}
        rows = {"counted": self.rows - self.sampled_out - dropped, "sampled_out": self.sampled_out, "dropped": dropped}
        none = np.zeros(0, dtype=np.int64)
        return Counted(named, (self.prediction_labels, none if predictions is None else predictions), rows)


class Counted(NamedTuple):
    """Histograms of one version: names of the bins and their counts; and what became of all rows."""

    features: dict[str, tuple[list[str], NDArray[np.int64]]]
    predictions: tuple[list[str], NDArray[np.int64]]
    rows: dict[str, int]


class OpenBucket:
    """The bucket being filled for one version."""

    def __init__(self, start: int, version: int, model: BinSource) -> None:
        self.start = start
        self.version = version
        self.model = model
        self.requests = self.errors = self.client_errors = self.rows = 0
        self.latency = [0] * (len(LATENCY_EDGES) + 1)
        self.pending: list[Batch] = []
        self.pending_answers: list[NDArray[np.float32]] = []
        self.pending_rows = self.pending_bytes = 0
        self.texts = sum(one.costly for one in model.baseline.bins.values())
        self._flush_rows = max(1, FLUSH_TEXTS // self.texts) if self.texts else FLUSH_ROWS
        self.dropped = 0
        self.counter = Counter(model.baseline.bins)
        self.predictions = np.zeros(model.baseline.prediction_bins.size, dtype=np.int64)
        self.label_count = self.label_correct = 0
        self.classes: dict[int, ClassCounts] = {}

    def label(self, predicted: int, truth: int) -> None:
        """Count a label that came for an answer."""
        hit = int(predicted == truth)
        self.label_count += 1
        self.label_correct += hit
        for index, counts in ((truth, (1, 0, hit)), (predicted, (0, 1, 0))):
            self.classes |= add_classes({index: self.classes.get(index, (0, 0, 0))}, {index: counts})

    def keep(self, batch: Batch, core: NDArray[np.float32]) -> None:
        """Keep answered rows aside until there are enough to be counted; of rows without bins, only the answers."""
        rows = batch.rows
        if self.counter.bins:
            self.pending.append(batch)
            self.pending_bytes += batch.nbytes
        self.pending_answers.append(core)
        self.pending_bytes += core.nbytes
        self.pending_rows += rows
        if self.pending_rows >= self._flush_rows or self.pending_bytes >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Count the rows kept aside."""
        if not self.pending_rows:
            return
        batches, answers, rows = self.pending, np.concatenate(self.pending_answers), self.pending_rows
        self.pending, self.pending_answers, self.pending_rows, self.pending_bytes = [], [], 0, 0
        try:
            self.counter.add(concatenate(batches) if batches else {}, rows)
            self.predictions += prediction_counts(self.model, answers)
        except (ValueError, KeyError, TypeError) as error:
            self.dropped += rows
            # NB: not its words, in which there may be a value of a row.
            log("error", "rows could not be counted", version=self.version, error=type(error).__name__)

    def document(self, seconds: int) -> dict[str, Any]:
        """The bucket as in GET /windows."""
        return Bucket(
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
            classes=self.classes,
            client_errors=self.client_errors,
            sampled_rows=self.counter.rows,
        ).document()


def prediction_counts(model: BinSource, core: NDArray[np.float32]) -> NDArray[np.int64]:
    """Predictions in the baseline's bins: classes, or a regression's values."""
    if not model.classes:
        return model.baseline.prediction_bins.count(core.reshape(-1))
    counts = np.zeros(model.baseline.prediction_bins.size, dtype=np.int64)
    counts[: len(model.classes)] = np.bincount(core.argmax(axis=1), minlength=len(model.classes))
    return counts


def sum_of(former: NDArray[np.int64] | None, more: NDArray[np.int64]) -> NDArray[np.int64]:
    """Both added; another bin layout (another model) starts anew."""
    return more.copy() if former is None or len(former) != len(more) else former + more


def labels_of(bins: Bins) -> list[str]:
    """A label for each count. No two are the same, as edges close together or a category `(other)` would make them."""
    names = bins.names
    times = collections.Counter(names)
    return [name if times[name] == 1 else f"{name} #{index}" for index, name in enumerate(names)]
