"""The requeue phase: nothing is in flight or due; when the next pass is due without any event, and why."""

from __future__ import annotations

from datetime import datetime

from ..plan import Requeue
from .helper_jobs import sweep
from .run import leftovers
from .situation import Situation
from .state import PipelineState
from .step import WAIT, Step

WATCH_DRIFT = 60.0


def rest(situation: Situation, state: PipelineState) -> Step:
    """Delete the children of runs that are long over, and wait for the clock or an event."""
    return Step(state, leftovers.old(situation, state), requeue=_reasons(situation, state))


def _reasons(situation: Situation, state: PipelineState) -> tuple[Requeue, ...]:
    found = []
    if situation.peers is None:  # A version that they refuse is reported by one event each.
        found.append(Requeue(WAIT, "ModelDeployments could not be listed"))
    if state.next_schedule is not None:
        found.append(Requeue(max(0.0, _until(state.next_schedule, situation)), "schedule"))
    if situation.spec.triggers.drift is not None and not situation.spec.suspend:
        found.append(Requeue(WATCH_DRIFT, "drift of ModelDeployments"))
    due = sweep.due_at(situation, state)
    if due is not None:
        found.append(Requeue(_until(due, situation), "next Sweep"))
    return tuple(found)


def _until(moment: datetime, situation: Situation) -> float:
    return (moment - situation.now).total_seconds()
