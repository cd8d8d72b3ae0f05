"""The trigger of a person: the annotation `ropewalk.dev/run-requested-at`, once for each value."""

from __future__ import annotations

from dataclasses import replace

from ropewalk.core import names
from ropewalk.core.conditions import clip

from ..situation import Situation
from ..state import PipelineState
from .trigger import MANUAL, Trigger, annotation

RUN_REQUESTED_AT = f"{names.GROUP}/run-requested-at"


def manual(situation: Situation, state: PipelineState) -> Trigger | None:
    """A run for a value of the annotation that status does not hold as handled."""
    wanted = annotation(situation.owner, RUN_REQUESTED_AT)
    if not wanted or wanted == state.handled_run_request:
        return None
    return Trigger(MANUAL, f"requested at {clip(wanted, 64)}", replace(state, handled_run_request=wanted))
