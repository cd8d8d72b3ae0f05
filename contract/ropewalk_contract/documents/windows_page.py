"""Windows page: what a server answers to GET /windows?since=EPOCH: closed buckets of counts, the oldest first.

Input from a pod. `read` raises Refused with the field's name: counts that cannot be believed are unknown, not zero.
A server writes buckets as bytes when they close, and a page as `head` and those bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ropewalk_contract import wire
from ropewalk_contract.documents.fields import MOST, Refused, any_count, integer, items, mapping, number, versioned

FORMAT_VERSION = 1
MAX_COUNTS = 2000
MAX_FEATURES = 2000
MAX_CLASSES = 1000
ClassCounts = tuple[int, int, int]


@dataclass(frozen=True)
class Bucket:
    """Counts of [start, start + seconds) for one version; `edges_seconds` are upper bounds, one count more follows."""

    start: int
    seconds: int
    version: int
    digest: str
    requests: int = 0
    errors: int = 0
    rows: int = 0
    edges_seconds: tuple[float, ...] = ()
    latency_counts: tuple[int, ...] = ()
    features: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    predictions: tuple[int, ...] = ()
    label_count: int = 0
    label_correct: int = 0
    classes: Mapping[int, ClassCounts] = field(default_factory=dict)
    """By class that came up: labels of it, predictions of it, hits: the sums of a confusion matrix."""
    client_errors: int | None = None
    """Answers of 400 to 499; None in sums of the operator, which decides nothing by it."""
    sampled_rows: int | None = None
    """Rows that the features count; None in sums of the operator."""

    @property
    def end(self) -> int:
        """The first second after the bucket."""
        return self.start + self.seconds

    def document(self) -> dict[str, Any]:
        """As it is written; what counted nothing is left out."""
        document: dict[str, Any] = {
            "start": self.start,
            "seconds": self.seconds,
            "version": self.version,
            "digest": self.digest,
            "requests": self.requests,
            "errors": self.errors,
            "rows": self.rows,
        }
        if any(self.latency_counts):
            document["latency"] = {"edgesSeconds": list(self.edges_seconds), "counts": list(self.latency_counts)}
        counted = {name: list(counts) for name, counts in self.features.items() if any(counts)}
        if counted:
            document["features"] = counted
        if any(self.predictions):
            document["predictions"] = list(self.predictions)
        if self.label_count:
            document["labels"] = {
                "count": self.label_count,
                "correct": self.label_correct,
                "classes": class_rows(self.classes),
            }
        told = {"clientErrors": self.client_errors, "sampledRows": self.sampled_rows}
        return document | {name: count for name, count in told.items() if count is not None}

    @staticmethod
    def from_document(document: Any, seconds: int) -> Bucket:
        """Inverse of `document`; `seconds` is the length where the bucket states none. Refused names a wrong field."""
        found = mapping(document, "bucket")
        latency = mapping(found.get("latency") or {}, "latency")
        labels = mapping(found.get("labels") or {}, "labels")
        features = mapping(found.get("features") or {}, "features")
        if len(features) > MAX_FEATURES:
            raise Refused("features", len(features), f"at most {MAX_FEATURES} features are expected")
        edges = items(latency.get("edgesSeconds", ()), "latency.edgesSeconds", MAX_COUNTS)
        return Bucket(
            start=_count(found.get("start"), "start"),
            seconds=integer(found.get("seconds", seconds), "seconds", least=1),
            version=_count(found.get("version"), "version"),
            digest=str(found.get("digest", ""))[:100],
            requests=_count(found.get("requests"), "requests"),
            errors=_count(found.get("errors"), "errors"),
            rows=_count(found.get("rows"), "rows"),
            edges_seconds=tuple(_edge(edge) for edge in edges),
            latency_counts=_counts(latency.get("counts", ()), "latency.counts"),
            features={str(name): _counts(counts, "features") for name, counts in features.items()},
            predictions=_counts(found.get("predictions", ()), "predictions"),
            label_count=_count(labels.get("count", 0), "labels.count"),
            label_correct=_count(labels.get("correct", 0), "labels.correct"),
            classes=class_counts(labels.get("classes", ())),
            client_errors=any_count(found["clientErrors"]) if "clientErrors" in found else None,
            sampled_rows=any_count(found["sampledRows"]) if "sampledRows" in found else None,
        )


@dataclass(frozen=True)
class Page:
    """One answer. A reader goes on from `through`."""

    buckets: tuple[Bucket, ...]
    through: int = 0
    """All buckets that start before this (and were asked for) are closed and here; 0: not known."""
    more: bool = False
    """There are closed buckets that did not fit: ask again from `through`."""
    lost_before: int = 0
    """Buckets that started before this may have been dropped for want of room."""

    def document(self, seconds: int) -> dict[str, Any]:
        """As it is written; `seconds` is the length of new buckets."""
        page = head(seconds=seconds, through=self.through, more=self.more, lost_before=self.lost_before)
        return {**page, "buckets": [bucket.document() for bucket in self.buckets]}

    @staticmethod
    def read(document: Any, limit: int = wire.WINDOW_BUCKETS) -> Page:
        """Inverse of `document`, with at most `limit` buckets. Refused names the first field that is wrong."""
        found = versioned(document, FORMAT_VERSION)
        listed = items(found.get("buckets"), "buckets", limit)
        seconds = _count(found.get("bucketSeconds"), "bucketSeconds")
        buckets = []
        for index, one in enumerate(listed):
            try:
                buckets.append(Bucket.from_document(one, seconds))
            except Refused as error:
                raise Refused(f"buckets[{index}].{error.field}", error.value, error.remedy) from None
        return Page(
            tuple(buckets),
            _count(found.get("through", 0), "through"),
            found.get("more") is True,
            _count(found.get("lostBefore", 0), "lostBefore"),
        )


def head(*, seconds: int, through: int, more: bool, lost_before: int) -> dict[str, Any]:
    """A page without its `buckets`, which are written after it."""
    return {
        "formatVersion": FORMAT_VERSION,
        "bucketSeconds": seconds,
        "through": through,
        "more": more,
        "lostBefore": lost_before,
    }


def class_rows(classes: Mapping[int, ClassCounts]) -> list[list[int]]:
    """`[class, labels, predictions, hits]` of every class that came up."""
    return [[index, *counts] for index, counts in sorted(classes.items())]


def class_counts(rows: Any) -> dict[int, ClassCounts]:
    """Inverse of `class_rows`; Refused for anything else."""
    found = {}
    for row in items(rows, "labels.classes", MAX_CLASSES):
        if not isinstance(row, (list, tuple)) or len(row) != 4:
            raise Refused("labels.classes", row, "[class, labels, predictions, hits] is expected")
        index, true, predicted, hits = (_count(value, "labels.classes") for value in row)
        found[index] = (true, predicted, hits)
    return found


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST:
        raise Refused(name, value, "a count is expected")
    return value


def _counts(values: Any, name: str) -> tuple[int, ...]:
    """The one loop that reads a page's many numbers, so no call a number; True is no count, though it is an int."""
    found = tuple(items(values, name, MAX_COUNTS))
    for value in found:
        if type(value) is not int or not 0 <= value < MOST:
            raise Refused(name, value, "a count is expected")
    return found


def _edge(value: Any) -> float:
    return float(number(value, "latency.edgesSeconds"))
