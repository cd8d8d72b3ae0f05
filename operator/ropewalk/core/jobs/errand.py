"""What all errands have in common: their states, what a pod waits for, and a result that nobody has read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from ..conditions import clip
from ..objects import errand_of
from ..plan import Json, Ref
from . import waits
from .last_word import word
from .observed import Attempt

RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"
AGAIN_AFTER = timedelta(minutes=1)
"""Until one that has failed is tried again, where that may help."""


def next_id(children: Iterable[Json], last: int) -> int:
    """The number after `last` and every one that is still there, even if status was lost.

    Under a number that comes again, the word of the former Job would count as the new one's.
    """
    return max([last, *map(errand_of, children)]) + 1


def waiting(
    found: Attempt, before: tuple[str, str], mounted: Mapping[Ref, Json | None], now: datetime
) -> tuple[str, str] | None:
    """Why its pod does not run, in a word and in words, empty at first; None once it does. `before`: as said before."""
    if found.pod is None:
        verdict = waits.without_pod(found, now)
    elif found.pod.errand.state == "waiting":
        verdict = waits.waiting(found.pod, found.pod.errand, found.created_at, "")
    else:
        return None
    verdict = waits.named(verdict, *before, mounted)
    return verdict.reason, clip(verdict.message, 600)


def unread(found: Attempt, waited: tuple[str, str], pod: str) -> tuple[str, str]:
    """Why the Job is over though its `pod` has said nothing. `waited` is what it waited for last, if it did."""
    if waited[0]:  # It ran out of time; that says less than what it waited for.
        return waited
    reason, _, message = found.failure.partition(": ")
    return word(reason) or "PodDisappeared", message if reason else f"{pod} was deleted before its result was read"
