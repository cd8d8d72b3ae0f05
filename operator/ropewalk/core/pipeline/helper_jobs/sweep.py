"""Sweep: artifacts of the store that are kept no longer are deleted (D14)."""

from __future__ import annotations

from datetime import datetime, timedelta

from ropewalk.core.jobs.observed import works
from ropewalk.core.objects import of_kind, run_of

from ..situation import Situation
from ..state import PipelineState
from ..step import WAIT, Step, recorded
from .intent import begun
from .record import SWEEP

SWEEP_EVERY = timedelta(days=1)


def begin(situation: Situation, state: PipelineState) -> Step | None:
    """Record a Sweep if one is due, as soon as no pod of a run works any more; else None."""
    if due_at(situation, state) != situation.now:
        return None
    if any(run_of(pod) and works(pod) for pod in of_kind(situation.children, "Pod")):
        return recorded(state, "a pod of a run still works", WAIT)
    return recorded(begun(situation, state, SWEEP), "a Sweep was recorded")


def due_at(situation: Situation, state: PipelineState) -> datetime | None:
    """When the store is to be swept next, `now` if it is time; None while there is no more than is kept."""
    keep, now = situation.spec.artifacts.keep, situation.now
    newest = max([int(entry.get("version") or 0) for entry in state.history], default=0)
    if state.next_run_id - 1 <= keep.runs and newest <= keep.versions:
        return None
    if state.swept_at is None:
        return now
    ended = state.run.finished_at if state.run else None
    if not state.sweep_waiting and (ended is None or ended < state.swept_at):
        return None
    return max(now, state.swept_at + SWEEP_EVERY)
