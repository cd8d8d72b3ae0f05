"""What all helper jobs have in common: their states, what a pod waits for, and a result that nobody has read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from ropewalk_contract.api import conditions as api

from ..conditions import clip
from ..objects import helper_job_of
from ..plan import Json, Ref
from . import container_end, waits
from .container_end import word
from .observed import Attempt, Container

RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"
AGAIN_AFTER = timedelta(minutes=1)
"""Until one that has failed is tried again, where that may help."""
TOLD_TO_STOP = api.PREEMPTED
"""What a container of ours says where it still can, whoever ended it."""
DEADLINE = "DeadlineExceeded"


def next_id(children: Iterable[Json], last: int) -> int:
    """The number after `last` and every one that is still there, even if status was lost.

    Under a number that comes again, the word of the former Job would count as the new one's.
    """
    return max([last, *map(helper_job_of, children)]) + 1


def waiting(
    found: Attempt, before: tuple[str, str], mounted: Mapping[Ref, Json | None], now: datetime
) -> tuple[str, str] | None:
    """Why its pod does not run, in a word and in words, empty at first; None once it does. `before`: as said before."""
    if found.pod is None:
        verdict = waits.without_pod(found, now)
    elif found.pod.helper_job.state == "waiting":
        verdict = waits.waiting(found.pod, found.pod.helper_job, found.created_at, "")
    else:
        return None
    verdict = waits.named(verdict, *before, mounted)
    return verdict.reason, clip(verdict.message, 600)


def ran_late(found: Attempt, seconds: int) -> bool:
    """Whether the Job was ended after so many seconds. It says so itself, a moment after its pod was told to stop."""
    end = found.pod.helper_job.finished_at if found.pod is not None else None
    began = found.created_at
    late = end is not None and began is not None and end - began >= timedelta(seconds=seconds)
    return late or found.failure.startswith(DEADLINE)


def unread(found: Attempt, waited: tuple[str, str], seconds: int, what: str) -> tuple[str, str]:
    """Why the Job is over, of `what` and given so many seconds, though its container has left no result.

    `waited` is what it waited for last, if it did.
    """
    ended = found.pod.helper_job if found.pod is not None and found.pod.helper_job.state == "terminated" else None
    if ended is None and waited[0]:  # It ran out of time; that says less than what it waited for.
        return waited
    if ran_late(found, seconds):
        return DEADLINE, f"{what} took longer than its deadline of {seconds} s"
    if ended is not None:
        return _silent(ended, what)
    reason, _, message = found.failure.partition(": ")
    gone = f"the pod of {what} was deleted before its result was read"
    return word(reason) or api.POD_DISAPPEARED, message if reason else gone


def _silent(ended: Container, what: str) -> tuple[str, str]:
    if ended.exit_code == 0:
        return api.RESULT_UNREADABLE, f"{what} ended with 0 but left no readable result"
    lines = clip(" ".join(ended.message.splitlines()[-3:]), 300)
    reason = word(ended.reason)
    text = f"{what} {container_end.ended(ended.exit_code)}" + (f": {lines}" if lines else "")
    return reason if reason not in ("", "Error") else api.CRASHED, text
