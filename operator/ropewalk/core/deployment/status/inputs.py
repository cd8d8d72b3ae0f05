"""The findings of a pass about a ModelDeployment, from which its status is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ropewalk_contract.api.modeldeployment import ModelDeployment

from ..children import workload
from ..image import Choice
from ..importing import step as importing
from ..importing.record import Import
from ..importing.step import Step
from ..observe import unavailable_reason
from ..observe.pods import Pod
from ..observe.unavailable_reason import Problem
from ..observe.windows import Answers, VersionWindows
from ..rollout import waiting
from ..situation import Situation
from ..state import DeploymentState
from ..target import Target


@dataclass(frozen=True, slots=True)
class StatusInputs:
    """Everything that status is made of, except for the time and the status before."""

    resource: ModelDeployment
    state: DeploymentState
    target: Target
    pods: Sequence[Pod]
    problem: Problem | None
    blocked: tuple[str, str] | None
    """Reason and message for which no pod can run, known before a pod reports it."""
    answers: Answers
    seen: VersionWindows | None
    """The counts of the live version."""
    histograms_left_out: bool
    """True if no ConfigMap holds the live version's histograms."""
    replicas: int
    image: Choice
    one_node: bool
    waits_for: str = ""
    """The message of a candidate that waits."""
    silent: tuple[str, ...] = ()
    """Pods that run and do not answer."""
    imported: Import | None = None
    importing: tuple[str, str] | None = None
    """Reason and message of an import that is under way or has failed."""
    scaling: str = ""
    """Why the autoscaler does not work."""

    @property
    def unknown_features(self) -> str:
        """Message on names in spec.monitor.drift.features that the live version does not have."""
        live = self.state.live
        baseline = self.seen.baseline if self.seen is not None else None
        asked = self.resource.spec.monitor.drift.features
        unknown = [name for name in asked if baseline is not None and name not in baseline.bins]
        if not unknown or baseline is None or live is None:
            return ""
        names = ", ".join(repr(name) for name in unknown[:5])
        return (
            f"spec.monitor.drift.features: version {live.version.number} has no feature {names} "
            f"(it has {', '.join(list(baseline.bins)[:20])})"
        )


def gather(situation: Situation, after: DeploymentState, imported: Step, chosen: Choice) -> StatusInputs:
    """The findings of this pass; `after` is the state after rollout and monitoring."""
    pods, now, resource = situation.pods, situation.now, situation.resource
    key = after.live.version.key if after.live is not None else None
    totals = situation.observation.totals.versions.get(key) if key is not None else None
    autoscaler = situation.observed.related.get(workload.autoscaler_ref(resource.metadata.name))
    return StatusInputs(
        resource=resource,
        state=after,
        target=chosen.target,
        pods=pods,
        problem=unavailable_reason.of(pods, situation.deployment, after),
        blocked=situation.blocked,
        answers=situation.answers,
        seen=situation.windows.get(key) if key is not None else None,
        histograms_left_out=totals is not None and totals.too_large,
        replicas=situation.replicas,
        image=chosen,
        one_node=situation.on_one_node,
        waits_for=waiting.words(after, pods, situation.blocked, now),
        silent=waiting.silent(pods, now),
        imported=imported.record,
        importing=importing.words(imported),
        scaling=unavailable_reason.of_autoscaler(autoscaler, now),
    )
