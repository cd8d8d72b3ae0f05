"""How a helper job ends: the result that its container reports, and the state after it."""

from __future__ import annotations

from dataclasses import replace

from ropewalk.core.conditions import clip
from ropewalk.core.jobs import helper_job as jobs
from ropewalk.core.jobs.container_end import USER_ERROR
from ropewalk.core.jobs.container_end import document as document_in
from ropewalk.core.jobs.helper_job import FAILED, SUCCEEDED
from ropewalk.core.jobs.observed import Attempt
from ropewalk.core.objects import name_of
from ropewalk.core.plan import Event, Json
from ropewalk_contract.documents.helper_job_result import HelperJobResult, Recovered, Swept

from ..parts import job
from ..situation import Situation
from ..state import PipelineState
from ..step import Step, recorded
from . import recover
from .record import SWEEP, HelperJob


def result(made: Attempt, helper_job: HelperJob) -> HelperJobResult | None:
    """The result of the Job; None while it works."""
    ended = made.pod.helper_job if made.pod else None
    if ended is not None and ended.state == "terminated":
        said = HelperJobResult.read(document_in(ended.message), helper_job.type)
        stopped = said is not None and said.reason == jobs.TOLD_TO_STOP and jobs.ran_late(made, job.HELPER_JOB_SECONDS)
        if said is not None and not stopped and (ended.exit_code == 0) == (said.outcome == SUCCEEDED):
            return replace(said, exit_code=ended.exit_code or 0)
    elif made.active:
        return None
    why = jobs.unread(made, (helper_job.waiting, helper_job.message), job.HELPER_JOB_SECONDS, helper_job.type)
    return HelperJobResult.failed(helper_job.type, *why, (ended.exit_code if ended else None) or 1)


def ended(
    situation: Situation,
    state: PipelineState,
    helper_job: HelperJob,
    found: HelperJobResult,
    peers: tuple[Json, ...],
) -> Step:
    """Record the end of a helper job, and what it has found."""
    now = situation.now
    failed = found.outcome != SUCCEEDED
    after = replace(
        helper_job,
        state=FAILED if failed else SUCCEEDED,
        finished_at=now,
        waiting="",
        message=clip(f"{found.reason}: {found.message}" if failed else found.message, 600),
    )
    if helper_job.type == SWEEP:
        waiting = found.content.waiting if isinstance(found.content, Swept) else 0
        state = replace(state, helper_job=after, swept_at=now, sweep_waiting=waiting)
    elif failed and found.exit_code == USER_ERROR:
        # The run that follows finds the same and says it in its own words.
        state = replace(state, helper_job=replace(after, state=SUCCEEDED), adopted=True)
    elif failed:
        state = replace(state, helper_job=after)
    else:
        content = found.content if isinstance(found.content, Recovered) else Recovered()
        state = replace(recover.recovered(situation, state, content, peers), helper_job=after)
    if failed:
        event = Event("Warning", f"{helper_job.type}Failed", after.message)
    else:
        text = found.message or f"{helper_job.type} of the store of {name_of(situation.owner)} has ended"
        event = Event("Normal", f"{helper_job.type}Ended", clip(text, 600))
    return recorded(state, "a helper job ended", events=(event,))
