"""The chain of triggers: the first that asks for a run, in the order person, spec, drift, clock.

Every trigger is a level: a comparison of the wanted state with the handled one in status (D9). A handled annotation is
recorded with its value, a handled drift with the time it began, a schedule with its next time. So a trigger starts one
run, wherever the operator dies in between.
"""

from __future__ import annotations

from dataclasses import replace

from ropewalk.core.objects import name_of
from ropewalk.core.plan import Event
from ropewalk_contract import reasons

from ..parts import planner
from ..situation import Situation
from ..state import PipelineState
from ..step import Step
from .drift import drift
from .manual import manual
from .schedule import schedule
from .spec_change import spec_change
from .trigger import Trigger, halted


def due(situation: Situation, state: PipelineState) -> Trigger | None:
    """The first trigger that asks for a run now: a person, the spec, drift, the clock. None while suspended, or while
    no run of this spec can succeed."""
    spec = situation.spec
    if spec.suspend or planner.problem(spec):
        return None
    stopped = halted(spec, state)
    return (
        manual(situation, state)
        or spec_change(situation, state)
        or (None if stopped else drift(situation, state))
        or (None if stopped else schedule(situation, state))
    )


def skipped(situation: Situation, state: PipelineState) -> Step:
    """Forbid: a run that a person or the clock asks for during another one is passed over, with an Event."""
    spec, run = situation.spec, state.run
    if run is None or not run.active or spec.concurrency_policy != "Forbid" or spec.suspend:
        return Step(state)
    events: list[Event] = []
    for trigger in (manual(situation, state), schedule(situation, state)):
        if trigger is not None:
            state = replace(
                state,
                handled_run_request=trigger.handled.handled_run_request,
                next_schedule=trigger.handled.next_schedule,
            )
            one = f"{trigger.type} run of {name_of(situation.owner)}"
            text = f"{one} not started: one is in progress (concurrencyPolicy: Forbid)"
            events.append(Event("Warning", reasons.RUN_SKIPPED, text))
    return Step(state, events=tuple(events))
