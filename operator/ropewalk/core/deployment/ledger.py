"""Labels over windows that are longer than pods live or remember: sums of closed hours, kept in a ConfigMap (D8).

Hours that are in the sums are never counted again from pods; `up_to` tells where the pods' own buckets begin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ropewalk_model.windows import Bucket

from ..plan import Json
from .memory import Live

HOUR = 3600
SHORT = 3 * HOUR
"""Pods remember this long by themselves, however short their buckets are."""
MOST_CHUNKS = 168
MOST_CLASSES = 200


@dataclass(frozen=True, slots=True)
class Labels:
    """How often predictions met their labels; by class: labels of it, predictions of it, and hits."""

    count: int = 0
    correct: int = 0
    true: tuple[int, ...] = ()
    predicted: tuple[int, ...] = ()
    hits: tuple[int, ...] = ()

    @staticmethod
    def of(bucket: Bucket) -> Labels:
        """The labels of a bucket."""
        matrix = bucket.confusion
        size = range(len(matrix))
        if len(matrix) > MOST_CLASSES or any(len(row) != len(matrix) for row in matrix):
            return Labels(bucket.label_count, bucket.label_correct)
        return Labels(
            bucket.label_count,
            bucket.label_correct,
            tuple(sum(row) for row in matrix),
            tuple(sum(matrix[t][p] for t in size) for p in size),
            tuple(matrix[c][c] for c in size),
        )

    def plus(self, other: Labels) -> Labels:
        """Both together."""
        return Labels(
            self.count + other.count,
            self.correct + other.correct,
            _sum(self.true, other.true),
            _sum(self.predicted, other.predicted),
            _sum(self.hits, other.hits),
        )

    def quality(self) -> list[tuple[str, float]]:
        """Accuracy, and precision and recall averaged over the classes that came up (macro)."""
        found = [("accuracy", self.correct / self.count)] if self.count else []
        precisions = [hit / n for hit, n in zip(self.hits, self.predicted, strict=True) if n]
        recalls = [hit / n for hit, n in zip(self.hits, self.true, strict=True) if n]
        if precisions and recalls:
            found += [("precision", sum(precisions) / len(precisions)), ("recall", sum(recalls) / len(recalls))]
        return found


@dataclass(frozen=True, slots=True)
class Ledger:
    """The sums for one version by chunks of time; all buckets that start before `up_to` are in them."""

    version: int
    digest: str
    up_to: int
    chunk: int
    sums: tuple[tuple[int, Labels], ...] = ()

    def document(self) -> dict[str, Any]:
        """As the ConfigMap keeps it."""
        sums = [
            {
                "start": start,
                "count": one.count,
                "correct": one.correct,
                "true": list(one.true),
                "predicted": list(one.predicted),
                "hits": list(one.hits),
            }
            for start, one in self.sums
        ]
        return {
            "formatVersion": 1,
            "version": self.version,
            "digest": self.digest,
            "upTo": self.up_to,
            "chunkSeconds": self.chunk,
            "sums": sums,
        }

    @staticmethod
    def from_document(document: object) -> Ledger | None:
        """Inverse of `document`; None for anything else, from which a new one is begun."""
        if not isinstance(document, Mapping) or document.get("formatVersion") != 1:
            return None
        try:
            sums = tuple((int(one["start"]), _labels(one)) for one in document["sums"])
            version, up_to, chunk = (int(document[key]) for key in ("version", "upTo", "chunkSeconds"))
            return Ledger(version, str(document["digest"]), up_to, chunk, sums) if chunk > 0 else None
        except (KeyError, TypeError, ValueError):
            return None


def advance(
    ledger: Ledger | None, buckets: Iterable[Bucket], live: Live, window: int, closed_by: float
) -> Ledger | None:
    """The ledger with the labels of hours that have closed since; the same one where no label came in."""
    if window <= SHORT:
        return None
    digest = live.version.digest or ""
    chunk = HOUR * max(1, -(-window // (MOST_CHUNKS * HOUR)))
    if ledger is None or (ledger.version, ledger.digest, ledger.chunk) != (live.version.number, digest, chunk):
        ledger = Ledger(live.version.number, digest, 0, chunk)
    hour = int(closed_by) // HOUR * HOUR
    fresh = [b for b in buckets if b.label_count and ledger.up_to <= b.start < hour]
    if not fresh:
        return ledger
    sums = {start: one for start, one in ledger.sums if start + chunk > closed_by - window}
    for bucket in fresh:
        start = bucket.start // chunk * chunk
        sums[start] = sums.get(start, Labels()).plus(Labels.of(bucket))
    return Ledger(ledger.version, ledger.digest, hour, chunk, tuple(sorted(sums.items())))


def total(ledger: Ledger | None, buckets: Iterable[Bucket], since: float) -> Labels:
    """All labels since then: what is in the ledger, and what only pods know yet."""
    found = Labels()
    for start, one in ledger.sums if ledger else ():
        if ledger and start + ledger.chunk > since:
            found = found.plus(one)
    for bucket in buckets:
        if bucket.label_count and bucket.start >= max(since, ledger.up_to if ledger else 0):
            found = found.plus(Labels.of(bucket))
    return found


def _labels(one: Json) -> Labels:
    by_class = [tuple(int(n) for n in one[key]) for key in ("true", "predicted", "hits")]
    if len({len(counts) for counts in by_class}) != 1:
        raise ValueError("counts by class differ in length")
    return Labels(int(one["count"]), int(one["correct"]), *by_class)


def _sum(one: Sequence[int], two: Sequence[int]) -> tuple[int, ...]:
    if not one or len(one) != len(two):
        return tuple(one or two)
    return tuple(a + b for a, b in zip(one, two, strict=True))
