"""What the pods say of the live version, and what is kept of it: every count once, or no conclusion (D8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ropewalk.core.plan import Json, Scraped
from ropewalk_contract.api.modeldeployment import Monitor
from ropewalk_model.baseline import Baseline
from ropewalk_model.windows import Bucket, InvalidBucket, Page, parse

from .. import spec as specs
from ..state import Live
from . import window_totals as ledgers
from .pods import BASELINE_PATH, WINDOWS_PATH, Pod
from .totals_configmap import StoredTotals
from .window_totals import WindowTotals

CLOSING_SECONDS = 2
"""A pod closes a bucket within this time of its end."""
BEHIND_SECONDS = 180
"""A clock that is further behind would hold all conclusions back."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the pods and the ledger know of the live version. `complete` is False where a pod that counts did not
    answer, or has more to tell than one answer holds: nothing is concluded then."""

    buckets: tuple[Bucket, ...]
    """Of all pods, what is not in the ledger yet."""
    baseline_document: Json | None
    baseline: Baseline | None
    stored: WindowTotals | None
    """What the ledger held before this look: with `buckets` it is everything, once."""
    totals: WindowTotals | None
    """What it is to hold from now on."""
    complete: bool
    closed_by: float
    """All buckets that ended by then are known."""
    unreachable: tuple[str, ...] = ()
    why: str = ""
    lost: tuple[str, ...] = ()
    """Pods that dropped counts before anybody asked for them."""


def observe(
    pods: Sequence[Pod],
    scrapes: Mapping[tuple[str, str], Scraped],
    kept: StoredTotals,
    live: Live | None,
    settings: Monitor,
    judged: float,
    now: datetime,
) -> Observation:
    """Parse what the ready pods answered; what cannot be believed counts as no answer. Windows up to `judged` have a
    verdict already. Pods that are being deleted add what they still tell, and owe nothing."""
    answers = {name: scraped for (name, path), scraped in scrapes.items() if path.partition("?")[0] == WINDOWS_PATH}
    pages: dict[str, Page] = {}
    failed: dict[str, str] = {}
    for pod in pods:
        if not (pod.ready or pod.leaves_by is not None) or pod.name not in answers:
            continue
        try:
            page = parse(answers[pod.name].body)
        except InvalidBucket as error:
            failed[pod.name] = answers[pod.name].error or str(error)
            continue
        if page.through and not page.more and page.through < _closed_by(now) - BEHIND_SECONDS:
            failed[pod.name] = f"its clock is more than {BEHIND_SECONDS} s behind"
            continue
        pages[pod.name] = page
    leaving = {pod.name for pod in pods if pod.leaves_by is not None}
    failed = {name: why for name, why in failed.items() if name not in leaving}
    unasked = any(pod.ready and pod.name not in answers for pod in pods)
    document, baseline = _baseline(scrapes, kept, live)
    closed_by = min([_closed_by(now), *(page.through for page in pages.values() if page.through)])
    complete = bool(pages) and not failed and not unasked and not any(page.more for page in pages.values())
    stored = after = None
    buckets: list[Bucket] = []
    lost = []
    if live is not None:
        stored = ledgers.current(
            kept.totals, live, specs.window_seconds(settings), specs.label_window_seconds(settings)
        )
        for name, page in pages.items():
            begin = ledgers.since(stored, live, name)
            mine = tuple(b for b in page.buckets if b.start >= begin and _is_of(live, b))
            pages[name] = replace(page, buckets=mine)
            buckets += mine
            if page.lost_before > begin:
                lost.append(name)
        after = ledgers.fold(
            stored,
            pages,
            [pod.name for pod in pods],
            live,
            label_window=specs.label_window_seconds(settings),
            judged=judged,
            closed_by=_closed_by(now),
            features=settings.drift.features,
            leaving=leaving,
        )
    return Observation(
        buckets=tuple(buckets),
        baseline_document=document,
        baseline=baseline,
        stored=stored,
        totals=after,
        complete=complete,
        closed_by=closed_by,
        unreachable=tuple(failed),
        why=next(iter(failed.values()), ""),
        lost=tuple(lost),
    )


def _is_of(live: Live | None, bucket: Bucket) -> bool:
    return live is not None and bucket.version == live.version.served and live.version.digest in (None, bucket.digest)


def _closed_by(now: datetime) -> float:
    return now.timestamp() - CLOSING_SECONDS


def _baseline(
    scrapes: Mapping[tuple[str, str], Scraped], kept: StoredTotals, live: Live | None
) -> tuple[Json | None, Baseline | None]:
    """The live version's baseline: the one kept, else what a pod says; no pod's word is believed unparsed."""
    said = [scraped.body for (_, path), scraped in scrapes.items() if path == BASELINE_PATH and scraped.body]
    if live is None:
        return None, None
    fresh = [one.get("baseline") for one in said if one.get("version") == live.version.served]
    for document in (kept.baseline_of(live), *fresh):
        try:
            if isinstance(document, Mapping):
                return document, Baseline.from_document(document)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            continue
    return None, None
