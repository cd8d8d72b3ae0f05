"""The input and the result of a step's transition function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ropewalk.core.plan import Event

from ..observe.pods import Pod
from ..state import DeploymentState, Routes
from ..versions import Version


@dataclass(frozen=True, slots=True)
class StepInput:
    """A rollout in one of its steps, and what the pods report."""

    state: DeploymentState
    routes: Routes
    version: Version
    """The wanted version, under the number and with the digests of the routes where they list it."""
    pods: Sequence[Pod]
    now: datetime

    @property
    def asked(self) -> Sequence[Pod]:
        """The pods that were told to load the version: the pilot, or all."""
        if self.routes.pilot is None:
            return self.pods
        return [pod for pod in self.pods if pod.name == self.routes.pilot and not pod.deleting]

    @property
    def since(self) -> datetime:
        """The begin of the step."""
        return self.state.candidate.since if self.state.candidate is not None else self.routes.at


@dataclass(frozen=True, slots=True)
class Transition:
    """The state after a look at a step: the next step, or the same one where the rollout stays in it."""

    state: DeploymentState
    why: str
    """The reason, in a few words, of the move or of the stay."""
    events: tuple[Event, ...] = ()
