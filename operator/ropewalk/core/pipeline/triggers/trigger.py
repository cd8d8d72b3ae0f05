"""The result of a trigger: the reason for a run, and the state in which it counts as handled."""

from __future__ import annotations

from dataclasses import dataclass

from ropewalk.core.objects import metadata
from ropewalk.core.plan import Json
from ropewalk_contract.api.pipeline import PipelineSpec

from ..state import PipelineState

SPEC_CHANGE, MANUAL, DRIFT, SCHEDULE = "SpecChange", "Manual", "Drift", "Schedule"


@dataclass(frozen=True, slots=True)
class Trigger:
    """The reason for a run, and the state in which it counts as handled."""

    type: str
    reason: str
    handled: PipelineState


def annotation(owner: Json, key: str) -> str:
    """An annotation's value, bounded, or an empty string."""
    found = metadata(owner).get("annotations")
    return str(found.get(key, ""))[:256] if isinstance(found, dict) else ""


def halted(spec: PipelineSpec, state: PipelineState) -> bool:
    """True if so many runs have failed in a row that only a person starts another one."""
    return state.consecutive_failures >= spec.stop_after_failures
