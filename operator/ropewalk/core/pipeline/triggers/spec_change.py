"""The trigger of the spec: its hash differs from that of the latest run."""

from __future__ import annotations

from ..situation import Situation
from ..state import PipelineState
from .trigger import SPEC_CHANGE, Trigger


def spec_change(situation: Situation, state: PipelineState) -> Trigger | None:
    """The first run, and a run for each change of the spec."""
    if not situation.spec.triggers.on_spec_change or (state.run and state.run.spec_hash == situation.spec_hash):
        return None
    return Trigger(SPEC_CHANGE, "the spec changed" if state.run else "first run", state)
