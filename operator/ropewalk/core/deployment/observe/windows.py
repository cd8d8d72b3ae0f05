"""The counts of every version that pods report, and the kept ones: every count once, or no conclusion (D8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ropewalk.core.plan import Json, Scraped
from ropewalk_contract.api.modeldeployment import Monitor
from ropewalk_contract.documents.baseline_report import BaselineReport
from ropewalk_contract.documents.fields import Refused
from ropewalk_model.baseline import Baseline
from ropewalk_model.windows import Bucket, InvalidBucket, Page, parse

from .. import spec as specs
from ..state import DeploymentState
from ..versions import VersionKey
from . import window_totals
from .pods import BASELINE_PATH, WINDOWS_PATH, Pod
from .totals_configmap import StoredTotals
from .window_totals import Counted, VersionTotals, WindowTotals

CLOSING_SECONDS = 2
"""A pod closes a bucket within this time of its end."""
BEHIND_SECONDS = 180
"""A clock that is further behind would hold all conclusions back."""


@dataclass(frozen=True, slots=True)
class VersionWindows:
    """The counts of one version, of the pods and of the ConfigMaps."""

    totals: VersionTotals
    """The stored sums before this pass: with `buckets` they are everything, once."""
    buckets: tuple[Bucket, ...] = ()
    """Of all pods, what is not in the sums yet."""
    baseline: Baseline | None = None
    lost: tuple[str, ...] = ()
    """Pods that dropped counts before they were read."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The quality of the pods' answers. `complete` is False where a pod that counts did not answer, or has more to
    report than one answer holds: nothing is concluded then."""

    complete: bool
    closed_by: float
    """All buckets that ended by then are known."""
    unreachable: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """The windows of every version that counts, and what is to be kept from now on."""

    versions: Mapping[VersionKey, VersionWindows]
    answers: Answers
    totals: WindowTotals
    """The sums to be stored."""
    baselines: Mapping[VersionKey, Json]
    """The documents of the baselines that are known."""


def observe(
    pods: Sequence[Pod],
    scrapes: Mapping[tuple[str, str], Scraped],
    stored: StoredTotals,
    state: DeploymentState,
    monitor: Monitor,
    judged: Mapping[VersionKey, float],
    now: datetime,
) -> Observation:
    """Parse what the pods answered; an answer that cannot be believed counts as none. Windows up to `judged` have a
    verdict already. Pods that are being deleted add what they still report, and are not waited for."""
    pages, answers = _read(pods, scrapes, now)
    counted = state.counted
    length, labels = specs.window_seconds(monitor), specs.label_window_seconds(monitor)
    before = window_totals.current(stored.totals, counted, length, labels)
    buckets: dict[VersionKey, list[Bucket]] = {key: [] for key in before.versions}
    lost: dict[VersionKey, list[str]] = {key: [] for key in before.versions}
    for name, page in pages.items():
        begin = window_totals.begin(before, counted, name)
        for bucket in page.buckets:
            key = window_totals.key_of(bucket, before, counted) if bucket.start >= begin else None
            if key is not None:
                buckets[key].append(bucket)
        for key, totals in before.versions.items():
            if page.lost_before > max(begin, totals.since):
                lost[key].append(name)
    documents, parsed = _baselines(scrapes, stored, counted)
    return Observation(
        versions={
            key: VersionWindows(totals, tuple(buckets[key]), parsed.get(key), tuple(lost[key]))
            for key, totals in before.versions.items()
        },
        answers=answers,
        totals=window_totals.fold(
            before,
            pages,
            [pod.name for pod in pods],
            counted,
            label_window=labels,
            judged=judged,
            closed_by=_closed_by(now),
            features=monitor.drift.features,
            leaving={pod.name for pod in pods if pod.leaves_by is not None},
        ),
        baselines=documents,
    )


def _read(
    pods: Sequence[Pod], scrapes: Mapping[tuple[str, str], Scraped], now: datetime
) -> tuple[dict[str, Page], Answers]:
    """The pages of the pods that answered, by pod."""
    scraped = {name: one for (name, path), one in scrapes.items() if path.partition("?")[0] == WINDOWS_PATH}
    pages: dict[str, Page] = {}
    failed: dict[str, str] = {}
    for pod in pods:
        if not (pod.ready or pod.leaves_by is not None) or pod.name not in scraped:
            continue
        try:
            page = parse(scraped[pod.name].body)
        except InvalidBucket as error:
            failed[pod.name] = scraped[pod.name].error or str(error)
            continue
        if page.through and not page.more and page.through < _closed_by(now) - BEHIND_SECONDS:
            failed[pod.name] = f"its clock is more than {BEHIND_SECONDS} s behind"
            continue
        pages[pod.name] = page
    leaving = {pod.name for pod in pods if pod.leaves_by is not None}
    failed = {name: why for name, why in failed.items() if name not in leaving}
    unasked = any(pod.ready and pod.name not in scraped for pod in pods)
    complete = bool(pages) and not failed and not unasked and not any(page.more for page in pages.values())
    closed_by = min([_closed_by(now), *(page.through for page in pages.values() if page.through)])
    return pages, Answers(complete, closed_by, tuple(failed), next(iter(failed.values()), ""))


def _closed_by(now: datetime) -> float:
    return now.timestamp() - CLOSING_SECONDS


def _baselines(
    scrapes: Mapping[tuple[str, str], Scraped], stored: StoredTotals, counted: Sequence[Counted]
) -> tuple[dict[VersionKey, Json], dict[VersionKey, Baseline]]:
    """By version, the baseline: the stored one, else one that a pod reports; none is believed unparsed."""
    told = [_report(scraped.body) for (_, path), scraped in scrapes.items() if path == BASELINE_PATH]
    documents: dict[VersionKey, Json] = {}
    parsed: dict[VersionKey, Baseline] = {}
    for one in counted:
        key = one.version.key
        reported = (report.baseline for report in told if report and report.version == one.version.served)
        for document in (stored.baselines.get(key), *reported):
            try:
                if isinstance(document, Mapping):
                    documents[key], parsed[key] = document, Baseline.from_document(document)
                    break
            except (KeyError, TypeError, ValueError, AttributeError, IndexError):
                documents.pop(key, None)
    return documents, parsed


def _report(body: Json | None) -> BaselineReport | None:
    """The pod's answer; None for one that cannot be believed."""
    try:
        return BaselineReport.read(body)
    except Refused:
        return None
