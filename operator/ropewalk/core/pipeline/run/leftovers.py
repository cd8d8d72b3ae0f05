"""Jobs and ConfigMaps of runs and helper jobs that are over: stopped where they still work, deleted in the end."""

from __future__ import annotations

from ropewalk.core.jobs.observed import attempt
from ropewalk.core.objects import helper_job_of, metadata, name_of, of_kind, run_of
from ropewalk.core.plan import Delete, Ref, Requeue

from ..situation import Situation
from ..state import PipelineState
from ..step import Step

KEEP_RUNS = 2
"""Jobs and ConfigMaps of so many runs stay, the newest included."""


def stop(situation: Situation, state: PipelineState) -> Step | None:
    """Stop the Jobs that still work before anything begins: a helper job may not run beside a trainer."""
    effects = working(situation)
    return Step(state, effects, requeue=(Requeue(0.0, "Jobs of another run were stopped"),)) if effects else None


def working(situation: Situation) -> tuple[Delete, ...]:
    """Delete the Jobs that still work although they are not the one in flight: given up, or out of time."""
    children = situation.children
    found = (attempt(children, name_of(child)) for child in of_kind(children, "Job"))
    return tuple(
        Delete(Ref("batch/v1", "Job", a.name), a.uid)
        for a in found
        if a and a.name != situation.job_name and a.active and not a.deleting and not (a.pod and a.pod.finished)
    )


def old(situation: Situation, state: PipelineState) -> tuple[Delete, ...]:
    """Delete the Jobs and ConfigMaps of runs that are long over; the record of them lies in the store."""
    oldest = state.run.id - KEEP_RUNS + 1 if state.run else 0
    last = state.helper_job.id if state.helper_job else 0
    return tuple(
        Delete(Ref(str(child["apiVersion"]), kind, name_of(child)), str(metadata(child).get("uid", "")))
        for kind in ("Job", "ConfigMap")
        for child in of_kind(situation.children, kind)
        if (0 < run_of(child) < oldest or 0 < helper_job_of(child) < last)
        and "deletionTimestamp" not in metadata(child)
    )
