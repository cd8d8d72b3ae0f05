"""The trigger phase: record a run where a trigger asks for one."""

from __future__ import annotations

from dataclasses import replace

from ropewalk.core.objects import name_of, of_kind, run_of
from ropewalk.core.plan import Event
from ropewalk_contract import reasons

from ..situation import Situation
from ..state import PipelineState, Run
from ..step import Step, recorded
from .due import due


def begin(situation: Situation, state: PipelineState) -> Step | None:
    """Record the intent of a run, and its trigger as handled; None if no trigger asks for one."""
    trigger = due(situation, state)
    if trigger is None:
        return None
    run = Run(
        id=_next_id(situation, state),
        generation=situation.generation,
        spec_hash=situation.spec_hash,
        trigger=trigger.type,
        reason=trigger.reason,
        started_at=situation.now,
    )
    text = f"run {run.id} of {name_of(situation.owner)}: {run.trigger}, {run.reason}"
    event = Event("Normal", reasons.RUN_STARTED, text)
    return recorded(replace(trigger.handled, run=run), "a run was recorded", events=(event,))


def _next_id(situation: Situation, state: PipelineState) -> int:
    """The number after every one that was ever used, even if status was lost."""
    left = (child for kind in ("Job", "ConfigMap") for child in of_kind(situation.children, kind))
    return max([state.next_run_id, *(run_of(child) + 1 for child in left)])
