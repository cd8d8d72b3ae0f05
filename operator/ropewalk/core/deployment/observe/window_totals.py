"""What pods have counted, kept in a ConfigMap: windows of a day and labels of a week outlive pods and operators (D8).

Sums and the points in time up to which each pod's buckets are in them are one object and one write: a bucket is in the
sums or is asked for again, never both, wherever the operator dies. It is written when buckets have come that started
before the latest round ten minutes, so at most about once in ten minutes, and never without traffic; and at once with
what a pod counted that is being deleted. Such a server waits until it is asked for what came after its last bucket.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ropewalk.core.plan import Json
from ropewalk_model.windows import Bucket, ClassCounts, Page, add_classes, class_counts, class_rows, windows

from ..state import Live

HOUR = 3600
STEP = 600
LAG = 120
"""The last whole minute, from which traffic is told, is always still with the pods."""
MOST_CHUNKS = 168
MOST_WINDOWS = 3
LARGEST = 900_000
"""A ConfigMap holds 1 MiB."""


@dataclass(frozen=True, slots=True)
class Labels:
    """How often predictions met their labels; by class: labels of it, predictions of it, and hits."""

    count: int = 0
    correct: int = 0
    classes: Mapping[int, ClassCounts] = field(default_factory=dict)

    @staticmethod
    def of(bucket: Bucket) -> Labels:
        """The labels of a bucket."""
        return Labels(bucket.label_count, bucket.label_correct, bucket.classes)

    def plus(self, other: Labels) -> Labels:
        """Both together."""
        return Labels(self.count + other.count, self.correct + other.correct, add_classes(self.classes, other.classes))

    def quality(self, positive: int | None = None) -> list[tuple[str, float]]:
        """Accuracy; precision and recall of the positive class, or averaged over the classes that came up (macro)."""
        found = [("accuracy", self.correct / self.count)] if self.count else []
        asked = [self.classes.get(positive, (0, 0, 0))] if positive is not None else list(self.classes.values())
        precisions = [hits / predicted for _, predicted, hits in asked if predicted]
        recalls = [hits / true for true, _, hits in asked if true]
        if precisions and recalls:
            found += [("precision", sum(precisions) / len(precisions)), ("recall", sum(recalls) / len(recalls))]
        return found


@dataclass(frozen=True, slots=True)
class WindowTotals:
    """The sums for one version. Of each pod, the buckets that start before `up_to` are in them."""

    version: int
    digest: str
    chunk: int
    """Labels are summed by so many seconds."""
    window: int
    up_to: Mapping[str, int] = field(default_factory=dict)
    sums: tuple[tuple[int, Labels], ...] = ()
    windows: tuple[Bucket, ...] = ()
    """Rows and histograms by window, the last few that are not judged yet."""
    too_large: bool = False
    """Whether histograms are left out because no ConfigMap holds them."""

    def document(self) -> dict[str, Any]:
        """As the ConfigMap keeps it."""
        sums = [
            {"start": start, "count": one.count, "correct": one.correct, "classes": class_rows(one.classes)}
            for start, one in self.sums
        ]
        return {
            "formatVersion": 2,
            "version": self.version,
            "digest": self.digest,
            "chunkSeconds": self.chunk,
            "windowSeconds": self.window,
            "upTo": dict(self.up_to),
            "sums": sums,
            "windows": [one.document() for one in self.windows],
            "tooLarge": self.too_large,
        }

    @staticmethod
    def from_document(document: object) -> WindowTotals | None:
        """Inverse of `document`; None for anything else, from which a new one is begun."""
        if not isinstance(document, Mapping) or document.get("formatVersion") != 2:
            return None
        try:
            version, chunk, window = (int(document[key]) for key in ("version", "chunkSeconds", "windowSeconds"))
            up_to = {str(pod): int(until) for pod, until in document["upTo"].items()}
            sums = tuple((int(one["start"]), _labels(one)) for one in document["sums"])
            kept = tuple(Bucket.from_document(one, window) for one in document["windows"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        if chunk <= 0 or window <= 0:
            return None
        return WindowTotals(
            version, str(document["digest"]), chunk, window, up_to, sums, kept, bool(document["tooLarge"])
        )

    def is_of(self, live: Live) -> bool:
        """Whether it is about the version that is live."""
        return (self.version, self.digest) == (live.version.number, live.version.key)


def since(totals: WindowTotals | None, live: Live, pod: str) -> int:
    """From which start on a pod's buckets are not in the sums: since the version is live, or since the last fold."""
    live_since = int(live.since.timestamp())
    begin = max(0, live_since - live_since % 60)
    return totals.up_to.get(pod, begin) if totals is not None and totals.is_of(live) else begin


def current(totals: WindowTotals | None, live: Live, window: int, label_window: int) -> WindowTotals:
    """The ledger of what is live by the yardstick of the spec: without what another version or window left."""
    chunk = _chunk(label_window)
    if totals is None or not totals.is_of(live):
        return WindowTotals(live.version.number, live.version.key, chunk, window)
    if totals.window != window:
        totals = replace(totals, window=window, windows=(), too_large=False)
    return totals


def fold(
    totals: WindowTotals,
    pages: Mapping[str, Page],
    pods: Iterable[str],
    live: Live,
    *,
    label_window: int,
    judged: float,
    closed_by: float,
    features: Collection[str] = (),
    leaving: Collection[str] = (),
) -> WindowTotals:
    """The ledger with what pods have counted up to the latest round ten minutes; the same one if that is nothing.

    `pages` hold the live version's buckets from `since` on, by pod; of those that are `leaving` all are taken. Windows
    that ended by `judged` are let go, and histograms but those of `features`; empty: none.
    """
    latest = int(closed_by - LAG)
    fresh: list[Bucket] = []
    up_to = {pod: totals.up_to[pod] for pod in pods if pod in totals.up_to}
    due = False
    for pod, page in pages.items():
        # A pod with more than one answer holds is read on at once, else the next answer would be the same.
        edge = latest if page.more else latest - latest % STEP
        begin, until = since(totals, live, pod), page.through if pod in leaving else min(page.through, edge)
        mine = [b for b in page.buckets if begin <= b.start < until]
        if until > begin and (mine or page.more):
            up_to[pod], due = until, True
            fresh += mine
    if not due:
        return totals
    chunk = max(totals.chunk, _chunk(label_window))
    labels = [(start, one) for start, one in totals.sums if start + totals.chunk > closed_by - label_window]
    labels += [(b.start, Labels.of(b)) for b in fresh if b.label_count]
    rows = windows([*totals.windows, *(_histograms(b, features) for b in fresh)], totals.window, float("inf"))
    kept = tuple(one for one in rows if one.end > judged)[-MOST_WINDOWS:]
    sums = _by_chunk(labels, chunk)
    return _fitted(replace(totals, up_to=up_to, chunk=chunk, sums=sums, windows=kept, too_large=False))


def total(totals: WindowTotals, buckets: Iterable[Bucket], since: float) -> Labels:
    """All labels since then: what is in the ledger, and what only pods know yet."""
    found = Labels()
    for start, one in totals.sums:
        if start + totals.chunk > since:
            found = found.plus(one)
    for bucket in buckets:
        if bucket.label_count and bucket.start >= since:
            found = found.plus(Labels.of(bucket))
    return found


def _chunk(label_window: int) -> int:
    """A minute, ten, or whole hours: at most 168 to a window."""
    needed = -(-label_window // MOST_CHUNKS)
    return next((size for size in (60, STEP) if size >= needed), -(-needed // HOUR) * HOUR)


def _by_chunk(labels: Iterable[tuple[int, Labels]], chunk: int) -> tuple[tuple[int, Labels], ...]:
    sums: dict[int, Labels] = {}
    for start, one in labels:
        start -= start % chunk
        sums[start] = sums.get(start, Labels()).plus(one)
    return tuple(sorted(sums.items()))


def _histograms(bucket: Bucket, features: Collection[str]) -> Bucket:
    """What a verdict on drift needs of a bucket."""
    return replace(
        bucket,
        edges_seconds=(),
        latency_counts=(),
        predictions=(),
        label_count=0,
        label_correct=0,
        classes={},
        features={
            name: counts
            for name, counts in bucket.features.items()
            if any(counts) and (not features or name in features)
        },
    )


def _fitted(totals: WindowTotals) -> WindowTotals:
    """The ledger in a ConfigMap's size: older windows go first, histograms that fill it alone next, and then labels get
    longer chunks.

    A sum without its histograms would seem to rest on rows that are not in it, so rows go with them.
    """
    while len(json.dumps(totals.document())) > LARGEST:
        if len(totals.windows) > 1:
            totals = replace(totals, windows=totals.windows[1:])
        elif totals.windows and len(json.dumps(totals.windows[0].document())) > LARGEST * 2 // 3:
            totals = replace(totals, windows=(), too_large=True)
        elif len(totals.sums) > 1:
            chunk = totals.chunk * 2
            totals = replace(totals, chunk=chunk, sums=_by_chunk(totals.sums, chunk))
        else:
            break
    return totals


def _labels(one: Json) -> Labels:
    return Labels(int(one["count"]), int(one["correct"]), class_counts(one["classes"]))
