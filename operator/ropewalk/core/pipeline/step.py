"""The result of a phase: the state that it leaves, and everything else that its decision consists of."""

from __future__ import annotations

from dataclasses import dataclass

from ..plan import Effect, Event, Requeue
from .state import PipelineState

FOLLOW = 1.0
"""Seconds between two looks at a run's progress; what ends a container comes as an event, at once."""
WAIT = 5.0
"""Seconds between two looks at what waits, and between two tries to read what could not be read."""


@dataclass(frozen=True, slots=True)
class Step:
    """The result of a phase."""

    state: PipelineState
    """The state for the next phase, and for status."""
    effects: tuple[Effect, ...] = ()
    events: tuple[Event, ...] = ()
    requeue: tuple[Requeue, ...] = ()


def recorded(state: PipelineState, why: str, seconds: float = 0.0, *, events: tuple[Event, ...] = ()) -> Step:
    """A step without effects: they follow in the pass after it, at once by default, from the state as it is stored by
    then (D2)."""
    return Step(state, events=events, requeue=(Requeue(seconds, why),))
