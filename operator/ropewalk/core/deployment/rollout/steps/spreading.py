"""Spreading: all pods load the version beside the live one."""

from __future__ import annotations

from ...gates.loaded import loaded
from ...gates.verdict import chain
from ..changes import quarantined, switched
from ..step import StepInput, Transition

GATES = (loaded,)


def spreading(step: StepInput) -> Transition:
    """To Switching once all ready pods have proved it; to RolledBack where one refuses it."""
    verdict = chain(GATES, step)
    if verdict.verdict == "Failed":
        return quarantined(step, verdict)
    if verdict.verdict != "Passed":
        return Transition(step.state, verdict.message)
    return Transition(switched(step), verdict.message)
