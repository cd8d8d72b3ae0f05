"""The pods' counts, added up in a ConfigMap: windows of a day and labels of a week outlive pods and operators (D8).

Sums and the points in time up to which each pod's buckets are in them are one object and one write: a bucket is in the
sums or is asked for again, never both, wherever the operator dies. It is written when buckets have come that started
before the latest round ten minutes, so at most about once in ten minutes, and never without traffic; and at once with
what a pod counted that is being deleted. Such a server waits until it is asked for what came after its last bucket.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from ropewalk_contract.documents.fields import integer
from ropewalk_model.windows import Bucket, Page, windows

from ..versions import Version, VersionKey
from .labels import Labels

HOUR = 3600
STEP = 600
LAG = 120
"""The last whole minute, from which traffic is told, is always still with the pods."""
MOST_CHUNKS = 168
MOST_WINDOWS = 3
LARGEST = 900_000
"""A ConfigMap holds 1 MiB."""


class Counted(Protocol):
    """A version whose counts are kept, and the time from which they are: state.Live, Candidate and Retired."""

    @property
    def version(self) -> Version: ...

    @property
    def since(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class VersionTotals:
    """The sums for one version."""

    version: int
    digest: str
    chunk: int
    """Labels are summed by so many seconds."""
    window: int
    since: int = 0
    """Buckets that start before this do not count."""
    sums: tuple[tuple[int, Labels], ...] = ()
    windows: tuple[Bucket, ...] = ()
    """Rows and histograms by window, the last few that are not judged yet."""
    too_large: bool = False
    """True if histograms are left out because no ConfigMap holds them."""

    def document(self) -> dict[str, Any]:
        """As the ConfigMap keeps it."""
        return {
            "version": self.version,
            "digest": self.digest,
            "since": self.since,
            "chunkSeconds": self.chunk,
            "windowSeconds": self.window,
            "sums": [{"start": start, **one.document()} for start, one in self.sums],
            "windows": [one.document() for one in self.windows],
            "tooLarge": self.too_large,
        }

    @staticmethod
    def from_document(document: object) -> VersionTotals | None:
        """Inverse of `document`; None for anything else, from which a new one is begun."""
        if not isinstance(document, Mapping):
            return None
        try:
            version = integer(document["version"], "version")
            chunk, window = (integer(document[key], key, least=1) for key in ("chunkSeconds", "windowSeconds"))
            sums = tuple((integer(one["start"], "start"), Labels.from_document(one)) for one in document["sums"])
            kept = tuple(Bucket.from_document(one, window) for one in document["windows"])
            digest, too_large = str(document["digest"]), bool(document["tooLarge"])
            since = integer(document.get("since", 0), "since")
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        return VersionTotals(version, digest, chunk, window, since, sums, kept, too_large)

    @property
    def key(self) -> VersionKey:
        """The version that the sums are of."""
        return VersionKey(self.version, self.digest)


@dataclass(frozen=True, slots=True)
class WindowTotals:
    """The sums for every version that counts. Of each pod, the buckets that start before `up_to` are in them."""

    up_to: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[VersionKey, VersionTotals] = field(default_factory=dict)
    """The most important first: live, candidate, retired."""

    def document(self) -> dict[str, Any]:
        """As the ConfigMap keeps it."""
        versions = [one.document() for one in self.versions.values()]
        return {"formatVersion": 3, "upTo": dict(self.up_to), "versions": versions}

    @staticmethod
    def from_document(document: object) -> WindowTotals | None:
        """Inverse of `document`; None for anything else. Format 2, of 9fe97bf, has the sums of one version.

        An entry that cannot be read loses itself alone.
        """
        if not isinstance(document, Mapping) or document.get("formatVersion") not in (2, 3):
            return None
        listed = document.get("versions") if document["formatVersion"] == 3 else [document]
        try:
            up_to = {str(pod): integer(until, "upTo") for pod, until in document["upTo"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        if not isinstance(listed, (list, tuple)):
            return None
        found = [VersionTotals.from_document(one) for one in listed]
        versions = {one.key: one for one in found if one is not None}
        return WindowTotals(up_to, versions) if versions or not listed else None


def begin(totals: WindowTotals | None, counted: Sequence[Counted], pod: str) -> int:
    """The start from which a pod's buckets are not in the sums: the last fold's, else the first version's begin."""
    read = totals.up_to.get(pod) if totals is not None else None
    return read if read is not None else min((_minute(one.since) for one in counted), default=0)


def key_of(bucket: Bucket, totals: WindowTotals, counted: Sequence[Counted]) -> VersionKey | None:
    """The version that a pod's bucket is counted for; None where that version does not count, or did not yet."""
    versions = [one.version for one in counted if one.version.served == bucket.version]
    matching = [version for version in versions if version.digest in (None, bucket.digest)]
    if not matching:
        return None
    # Numbers repeat among models: the version whose digest is known to be the bucket's comes before one without.
    key = min(matching, key=lambda version: version.digest is None).key
    return key if bucket.start >= totals.versions[key].since else None


def current(totals: WindowTotals | None, counted: Sequence[Counted], window: int, label_window: int) -> WindowTotals:
    """The totals of the versions that count, and of no others; windows of another length than the spec's are let go."""
    stored = totals or WindowTotals()
    versions = {}
    for one in counted:
        key = one.version.key
        found = _stored(stored, one.version) or VersionTotals(*key, _chunk(label_window), window, _minute(one.since))
        versions[key] = found if found.window == window else replace(found, window=window, windows=(), too_large=False)
    return WindowTotals(stored.up_to, versions)


def _stored(stored: WindowTotals, version: Version) -> VersionTotals | None:
    """The sums of a version; those from before its digest was known are its own."""
    keys = (VersionKey(version.number, one) for one in (version.identity, version.manifest_digest, version.uri) if one)
    found = next((stored.versions[key] for key in keys if key in stored.versions), None)
    return replace(found, digest=version.key.identity) if found is not None else None


def fold(
    totals: WindowTotals,
    pages: Mapping[str, Page],
    pods: Iterable[str],
    counted: Sequence[Counted],
    *,
    label_window: int,
    judged: Mapping[VersionKey, float],
    closed_by: float,
    features: Collection[str] = (),
    leaving: Collection[str] = (),
) -> WindowTotals:
    """The totals with what pods have counted up to the latest round ten minutes; the same ones if that is nothing.

    Of pods that are `leaving` all closed buckets are taken. Windows that ended by `judged` are let go, and histograms
    but those of `features`; empty: none.
    """
    latest = int(closed_by - LAG)
    fresh: dict[VersionKey, list[Bucket]] = {key: [] for key in totals.versions}
    up_to = {pod: totals.up_to[pod] for pod in pods if pod in totals.up_to}
    due = False
    for pod, page in pages.items():
        # A pod with more than one answer holds is read on at once, else the next answer would be the same.
        edge = latest if page.more else latest - latest % STEP
        start, until = begin(totals, counted, pod), page.through if pod in leaving else min(page.through, edge)
        found = ((key_of(b, totals, counted), b) for b in page.buckets if start <= b.start < until)
        mine = [(key, b) for key, b in found if key is not None]
        if until > start and (mine or page.more):
            up_to[pod], due = until, True
            for key, bucket in mine:
                fresh[key].append(bucket)
    if not due:
        return totals
    versions = {
        key: _added(one, fresh[key], label_window, judged.get(key, 0.0), closed_by, features)
        for key, one in totals.versions.items()
    }
    return _fitted(WindowTotals(up_to, versions))


def total(totals: VersionTotals, buckets: Iterable[Bucket], since: float) -> Labels:
    """All labels of a version since then: those in its sums, and those that only pods know yet."""
    found = Labels()
    for start, one in totals.sums:
        if start + totals.chunk > since:
            found = found.plus(one)
    for bucket in buckets:
        if bucket.label_count and bucket.start >= since:
            found = found.plus(Labels.of(bucket))
    return found


def _added(
    one: VersionTotals,
    fresh: Sequence[Bucket],
    label_window: int,
    judged: float,
    closed_by: float,
    features: Collection[str],
) -> VersionTotals:
    chunk = max(one.chunk, _chunk(label_window))
    labels = [(start, found) for start, found in one.sums if start + one.chunk > closed_by - label_window]
    labels += [(b.start, Labels.of(b)) for b in fresh if b.label_count]
    rows = windows([*one.windows, *(_histograms(b, features) for b in fresh)], one.window, float("inf"))
    kept = tuple(found for found in rows if found.end > judged)[-MOST_WINDOWS:]
    return replace(one, chunk=chunk, sums=_by_chunk(labels, chunk), windows=kept, too_large=False)


def _minute(moment: datetime) -> int:
    seconds = int(moment.timestamp())
    return max(0, seconds - seconds % 60)


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
    """The part of a bucket that a verdict on drift needs."""
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
    """The totals in a ConfigMap's size: each version gives way to those before it.

    Of a version, older windows go first, histograms that fill the ConfigMap alone next, and then labels get longer
    chunks. A sum without its histograms would seem to rest on rows that are not in it, so rows go with them.
    """
    versions = dict(totals.versions)
    for key in reversed(versions):
        while len(json.dumps(WindowTotals(totals.up_to, versions).document())) > LARGEST:
            smaller = _smaller(versions[key], alone=len(versions) == 1 or key == next(iter(versions)))
            if smaller is None:
                break
            versions[key] = smaller
    return WindowTotals(totals.up_to, versions)


def _smaller(one: VersionTotals, *, alone: bool) -> VersionTotals | None:
    """The next smaller form of a version's totals; None where there is none."""
    if len(one.windows) > 1:
        return replace(one, windows=one.windows[1:])
    if one.windows and (not alone or len(json.dumps(one.windows[0].document())) > LARGEST * 2 // 3):
        return replace(one, windows=(), too_large=True)
    if len(one.sums) > 1:
        return replace(one, chunk=one.chunk * 2, sums=_by_chunk(one.sums, one.chunk * 2))
    return None
