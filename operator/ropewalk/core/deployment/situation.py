"""The situation of a ModelDeployment in one pass: spec, stored state, pods, windows by version and children.

It is built once and not changed. The phases of `plan.plan` decide by it and by the results of the phases before them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ropewalk_contract.api.modeldeployment import ModelDeployment
from ropewalk_contract.documents.routes import Routes as RoutesDocument

from ..plan import Config, Json, Observed
from .children import routes_configmap, workload
from .monitoring.verdicts import judged
from .observe import pods as fleet
from .observe.pods import Pod
from .observe.totals_configmap import StoredTotals
from .observe.windows import Answers, Observation, VersionWindows, observe
from .state import DeploymentState
from .target import claim_problem, one_node
from .versions import Version, VersionKey, get


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that a decision rests on. `state` is as it was read: effects follow from it, never from a state that
    was only just decided (D2)."""

    resource: ModelDeployment
    state: DeploymentState
    pods: tuple[Pod, ...]
    observation: Observation
    stored: StoredTotals
    """Totals and baselines as the ConfigMaps hold them."""
    told: RoutesDocument | None
    """The routes that the ConfigMap tells the servers."""
    deployment: Json | None
    """The Deployment of the servers."""
    replicas: int
    """Number of pods that there should be."""
    observed: Observed
    """The objects as they were read: children, related objects, peers."""
    now: datetime

    @property
    def windows(self) -> Mapping[VersionKey, VersionWindows]:
        """The counts of the live, the candidate and the retired version."""
        return self.observation.versions

    @property
    def answers(self) -> Answers:
        """The quality of the pods' answers to the request for their windows."""
        return self.observation.answers

    @property
    def config(self) -> Config:
        """The operator's own installation."""
        return self.observed.config

    @property
    def held(self) -> tuple[Version, ...]:
        """The versions whose claims the pods mount: those of the stored routes and the stored candidate."""
        return held_by(self.state)

    @property
    def claims(self) -> frozenset[str]:
        """The claims that the pods mount."""
        return frozenset(version.claim for version in self.held)

    @property
    def on_one_node(self) -> bool:
        """True if all pods have to run on one node, since a claim can be mounted on one only."""
        before = get(self.deployment, "spec", "template", "spec", "affinity", "podAffinity") is not None
        return one_node(self.claims, self.observed, before)

    @property
    def blocked(self) -> tuple[str, str] | None:
        """Reason and message where a claim is known to be unusable: no pod can run then."""
        found = (claim_problem(version, self.observed) for version in self.held)
        return next((problem for problem in found if problem is not None), None)


def situate(
    resource: ModelDeployment, state: DeploymentState, stored: StoredTotals, observed: Observed, now: datetime
) -> Situation:
    """The situation; a lost status is recovered from the routes' ConfigMap."""
    told = routes_configmap.observed_routes(child(observed.children, "ConfigMap", workload.routes_name(resource)))
    state = state.recovered(told)
    pods = fleet.pods(resource, observed.children, observed.scrapes)
    deployment = child(observed.children, "Deployment", workload.server_name(resource))
    monitor = resource.spec.monitor
    return Situation(
        resource=resource,
        state=state,
        pods=pods,
        observation=observe(pods, observed.scrapes, stored, state, monitor, judged(state, monitor), now),
        stored=stored,
        told=told,
        deployment=deployment,
        replicas=_replicas(resource, deployment),
        observed=observed,
        now=now,
    )


def held_by(state: DeploymentState) -> tuple[Version, ...]:
    """The versions whose claims pods need in that state."""
    listed = state.routes.versions if state.routes else ()
    return (*listed, state.candidate.version) if state.candidate is not None else listed


def child(children: Sequence[Json], kind: str, name: str) -> Json | None:
    """The child of that kind and name, if it is there."""
    return next((c for c in children if c.get("kind") == kind and get(c, "metadata", "name") == name), None)


def _replicas(resource: ModelDeployment, deployment: Json | None) -> int:
    """The spec's number of pods; with an autoscaler, the number that the Deployment has now."""
    scaling = resource.spec.autoscaling
    if scaling is None:
        return resource.spec.replicas
    scaled = get(deployment, "spec", "replicas")
    return scaled if isinstance(scaled, int) else scaling.min_replicas
