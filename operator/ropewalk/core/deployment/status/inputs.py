"""What a pass has found out about a ModelDeployment, as its status tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ropewalk_contract.api.modeldeployment import ModelDeployment

from ..image import Choice
from ..importing.record import Import
from ..observe.pods import Pod
from ..observe.unavailable_reason import Problem
from ..observe.windows import Observation
from ..state import DeploymentState
from ..target import Target


@dataclass(frozen=True, slots=True)
class StatusInputs:
    """Everything that status is made of, the time and what it said before apart."""

    resource: ModelDeployment
    state: DeploymentState
    target: Target
    pods: Sequence[Pod]
    problem: Problem | None
    blocked: tuple[str, str] | None
    """Reason and message why no pod can run, known before any pod says so."""
    seen: Observation
    replicas: int
    image: Choice
    one_node: bool
    waits_for: str = ""
    """What the candidate waits for."""
    silent: tuple[str, ...] = ()
    """Pods that run and do not answer."""
    imported: Import | None = None
    importing: tuple[str, str] | None = None
    """Reason and message of an import that is under way or has failed."""
    scaling: str = ""
    """Why the autoscaler does not work."""

    @property
    def unknown_features(self) -> str:
        """What spec.monitor.drift.features names and the live version does not have, in words."""
        baseline, live = self.seen.baseline, self.state.live
        asked = self.resource.spec.monitor.drift.features
        unknown = [name for name in asked if baseline is not None and name not in baseline.bins]
        if not unknown or baseline is None or live is None:
            return ""
        names = ", ".join(repr(name) for name in unknown[:5])
        return (
            f"spec.monitor.drift.features: version {live.version.number} has no feature {names} "
            f"(it has {', '.join(list(baseline.bins)[:20])})"
        )
