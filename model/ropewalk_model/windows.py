"""Sums of buckets that servers keep, and the disjoint windows that the operator adds them up to.

A bucket is additive: the sum of all pods' buckets is what one big server would have counted. Buckets and pages of them
are documents of the contract (ropewalk_contract.documents.windows_page).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ropewalk_contract.documents.fields import Refused as InvalidBucket
from ropewalk_contract.documents.windows_page import Bucket, ClassCounts, Page, class_counts, class_rows

__all__ = [
    "Bucket",
    "ClassCounts",
    "InvalidBucket",
    "Page",
    "add",
    "add_classes",
    "class_counts",
    "class_rows",
    "parse",
    "windows",
]
parse = Page.read


def add_classes(one: Mapping[int, ClassCounts], two: Mapping[int, ClassCounts]) -> dict[int, ClassCounts]:
    """Counts by class added up."""
    total = dict(one)
    for index, (true, predicted, hits) in two.items():
        before = total.get(index, (0, 0, 0))
        total[index] = (before[0] + true, before[1] + predicted, before[2] + hits)
    return total


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
    return replace(total, client_errors=None, sampled_rows=None)  # not summed: the operator has no use for them


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
