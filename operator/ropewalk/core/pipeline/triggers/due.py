"""The chain of triggers: the first that asks for a run, in the order person, spec, drift, clock.

Every trigger is a level: a comparison of the wanted state with the handled one in status (D9). A handled annotation is
recorded with its value, a handled drift with the time it began, a schedule with its next time. So a trigger starts one
run, wherever the operator dies in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from ropewalk.core.objects import name_of
from ropewalk.core.plan import Event, Json, Ref
from ropewalk_contract import reasons
from ropewalk_contract.api.pipeline import PipelineSpec

from ..state import PipelineState
from .drift import drift
from .manual import manual
from .schedule import schedule
from .spec_change import spec_change
from .trigger import Trigger, halted


def due(
    owner: Json,
    spec: PipelineSpec,
    spec_hash: str,
    state: PipelineState,
    related: Mapping[Ref, Json | None],
    now: datetime,
) -> Trigger | None:
    """The first trigger that asks for a run now: a person, the spec, drift, the clock. Suspended: none."""
    if spec.suspend:
        return None
    stopped = halted(spec, state)
    return (
        manual(owner, state)
        or spec_change(spec, spec_hash, state)
        or (None if stopped else drift(spec, state, related, now))
        or (None if stopped else schedule(spec, state, now))
    )


def skipped(
    owner: Json, spec: PipelineSpec, state: PipelineState, now: datetime
) -> tuple[PipelineState, tuple[Event, ...]]:
    """Forbid: what a person or the clock asks for during a run is passed over, and said so."""
    events: list[Event] = []
    for trigger in (manual(owner, state), schedule(spec, state, now)):
        if trigger is not None and not spec.suspend:
            last = state.last_schedule
            state = replace(
                state,
                handled_run_request=trigger.handled.handled_run_request,
                next_schedule=trigger.handled.next_schedule,
                last_schedule=last,
            )
            text = f"{trigger.type} run of {name_of(owner)} not started: one is in progress (concurrencyPolicy: Forbid)"
            events.append(Event("Warning", reasons.RUN_SKIPPED, text))
    return state, tuple(events)
