"""Buckets of servers, and the disjoint windows that the operator makes of them.

A bucket is additive: the sum of the buckets of all pods is what one large server would have counted. Bucket documents
come from pods, so they are parsed as untrusted input.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_COUNTS = 2000
MAX_FEATURES = 2000
MAX_CLASSES = 1000
ClassCounts = tuple[int, int, int]


class InvalidBucket(ValueError):
    """A bucket document that cannot be believed."""


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
    """By class that came up: labels of it, predictions of it, hits. Sums of a confusion matrix, whose square nobody
    needs to send."""

    def document(self) -> dict[str, Any]:
        """The JSON form, as in `GET /windows`; what counted nothing is left out."""
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
        return document

    @staticmethod
    def from_document(document: Any, seconds: int) -> Bucket:
        """Parse one bucket; `seconds` is the document's bucketSeconds. InvalidBucket names what is wrong."""
        try:
            latency = document.get("latency") or {}
            labels = document.get("labels") or {}
            features = document.get("features") or {}
            if len(features) > MAX_FEATURES:
                raise InvalidBucket(f"a bucket has {len(features)} features")
            bucket = Bucket(
                start=_count(document["start"]),
                seconds=_count(document.get("seconds", seconds)),
                version=_count(document["version"]),
                digest=str(document.get("digest", ""))[:100],
                requests=_count(document["requests"]),
                errors=_count(document["errors"]),
                rows=_count(document["rows"]),
                edges_seconds=tuple(float(edge) for edge in latency.get("edgesSeconds", ())[:MAX_COUNTS]),
                latency_counts=_counts(latency.get("counts", ())),
                features={str(name): _counts(counts) for name, counts in features.items()},
                predictions=_counts(document.get("predictions", ())),
                label_count=_count(labels.get("count", 0)),
                label_correct=_count(labels.get("correct", 0)),
                classes=class_counts(labels.get("classes", ())),
            )
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise InvalidBucket(f"a bucket is malformed: {error}") from error
        if bucket.seconds <= 0:
            raise InvalidBucket("a bucket has no length")
        return bucket

    @property
    def end(self) -> int:
        """The first second after the bucket."""
        return self.start + self.seconds


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise InvalidBucket(f"{value!r} is not a count")
    return value


def _counts(values: Any) -> tuple[int, ...]:
    if not isinstance(values, (list, tuple)) or len(values) > MAX_COUNTS:
        raise InvalidBucket("a histogram is not a short list of counts")
    return tuple(_count(value) for value in values)


def class_rows(classes: Mapping[int, ClassCounts]) -> list[list[int]]:
    """`[class, labels, predictions, hits]` of every class that came up."""
    return [[index, *counts] for index, counts in sorted(classes.items())]


def class_counts(rows: Any) -> dict[int, ClassCounts]:
    """Inverse of `class_rows`; InvalidBucket for anything else."""
    if not isinstance(rows, (list, tuple)) or len(rows) > MAX_CLASSES:
        raise InvalidBucket(f"labels by class are not a list of at most {MAX_CLASSES}")
    found = {}
    for row in rows:
        if not isinstance(row, (list, tuple)) or len(row) != 4:
            raise InvalidBucket("labels by class are not [class, labels, predictions, hits]")
        index, true, predicted, hits = (_count(value) for value in row)
        found[index] = (true, predicted, hits)
    return found


def add_classes(one: Mapping[int, ClassCounts], two: Mapping[int, ClassCounts]) -> dict[int, ClassCounts]:
    """Counts by class added up."""
    total = dict(one)
    for index, (true, predicted, hits) in two.items():
        before = total.get(index, (0, 0, 0))
        total[index] = (before[0] + true, before[1] + predicted, before[2] + hits)
    return total


@dataclass(frozen=True)
class Page:
    """An answer to `GET /windows?since=EPOCH`: closed buckets from then on, the oldest first."""

    buckets: tuple[Bucket, ...]
    through: int = 0
    """All buckets that start before this (and were asked for) are closed and here; 0: not known."""
    more: bool = False
    """True: there are closed buckets that did not fit. Ask again from `through`."""
    lost_before: int = 0
    """Buckets that started before this may have been dropped for want of room."""


def parse(document: Any, limit: int = 1500) -> Page:
    """A `GET /windows` answer with at most `limit` buckets. InvalidBucket if it is malformed."""
    if not isinstance(document, dict) or document.get("formatVersion") != 1:
        raise InvalidBucket("not a /windows document of formatVersion 1")
    buckets = document.get("buckets")
    if not isinstance(buckets, list) or len(buckets) > limit:
        raise InvalidBucket(f"buckets is not a list of at most {limit}")
    seconds = _count(document.get("bucketSeconds"))
    return Page(
        tuple(Bucket.from_document(one, seconds) for one in buckets),
        _count(document.get("through", 0)),
        document.get("more") is True,
        _count(document.get("lostBefore", 0)),
    )


def add(buckets: Iterable[Bucket]) -> Bucket:
    """One bucket that spans all of these (same version and digest). ValueError if there are none.

    Histograms of different lengths (another bin layout under the same name) are not added: the longer-lived one,
    that is the first seen, stands, and the other is left out.
    """
    total: Bucket | None = None
    for bucket in buckets:
        total = bucket if total is None else _plus(total, bucket)
    if total is None:
        raise ValueError("no buckets")
    return total


def _plus(one: Bucket, two: Bucket) -> Bucket:
    start = min(one.start, two.start)
    names = dict.fromkeys([*one.features, *two.features])
    return Bucket(
        start=start,
        seconds=max(one.end, two.end) - start,
        version=one.version,
        digest=one.digest,
        requests=one.requests + two.requests,
        errors=one.errors + two.errors,
        rows=one.rows + two.rows,
        edges_seconds=one.edges_seconds or two.edges_seconds,
        latency_counts=_sum(one.latency_counts, two.latency_counts),
        features={name: _sum(one.features.get(name, ()), two.features.get(name, ())) for name in names},
        predictions=_sum(one.predictions, two.predictions),
        label_count=one.label_count + two.label_count,
        label_correct=one.label_correct + two.label_correct,
        classes=add_classes(one.classes, two.classes),
    )


def _sum(one: Sequence[int], two: Sequence[int]) -> tuple[int, ...]:
    if not one or not two:
        return tuple(one or two)
    if len(one) != len(two):
        return tuple(one)
    return tuple(a + b for a, b in zip(one, two, strict=True))


def windows(buckets: Iterable[Bucket], seconds: int, now: float) -> list[Bucket]:
    """Disjoint windows of `seconds`, aligned to the epoch and closed by `now`, one for each version and digest.

    A bucket belongs to the window in which it starts. Sorted by start, then version.
    """
    groups: dict[tuple[int, int, str], list[Bucket]] = defaultdict(list)
    for bucket in buckets:
        start = bucket.start - bucket.start % seconds
        if start + seconds <= now:
            groups[(start, bucket.version, bucket.digest)].append(bucket)
    result = []
    for (start, version, digest), members in sorted(groups.items()):
        total = add(members)
        fields = {**total.__dict__, "start": start, "seconds": seconds, "version": version, "digest": digest}
        result.append(Bucket(**fields))
    return result
