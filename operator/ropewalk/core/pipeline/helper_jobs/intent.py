"""The intent of a helper job, recorded before its Job is created."""

from __future__ import annotations

from dataclasses import replace

from ropewalk.core.jobs.helper_job import RUNNING, next_id

from ..situation import Situation
from ..state import PipelineState
from .record import HelperJob


def begun(situation: Situation, state: PipelineState, kind: str) -> PipelineState:
    """The state with the intent of a helper job, under a number that was never used."""
    number = next_id(situation.children, state.helper_job.id if state.helper_job else 0)
    return replace(state, helper_job=HelperJob(number, kind, RUNNING, situation.now))
