"""The writes that make the children what they should be: none where they already are (D10)."""

from __future__ import annotations

from typing import Any

from ropewalk.core.plan import MANAGER, Apply, Delete, Effect, Json, Ref
from ropewalk_contract.api.modeldeployment import ModelDeployment

from ..importing.step import Step
from ..observe import totals_configmap
from ..rollout import nudges, waiting
from ..situation import Situation, child
from ..state import Routes
from ..versions import VersionKey, get
from . import autoscaler, disruption_budget, network_policy, routes_configmap, service, workload
from .comparison import stamped, up_to_date

HANDOVER_MANAGER = "ropewalk-handover"
"""Owns the number of pods between us and an autoscaler."""


def effects(situation: Situation, imported: Step, image: str) -> list[Effect]:
    """The children phase: what makes children and pods what the stored state asks for (D2)."""
    routes = situation.state.routes
    if routes is None:
        return []
    pods, now = situation.pods, situation.now
    stood = get(situation.observed.owner, "status", "conditions")
    given_up = waiting.given_up(stood, pods, now) if situation.state.candidate is not None else frozenset()
    # Pods have nothing to serve yet while the first version is being imported.
    idle = imported.record is not None and situation.state.live is None
    return [
        *_children(situation, routes, image, idle=idle),
        *nudges.effects(pods, routes, situation.told, situation.replicas, now, given_up),
    ]


def _children(situation: Situation, routes: Routes, image: str, *, idle: bool) -> list[Effect]:
    """Apply what is not as it should be, what others refer to first."""
    observed, resource = situation.observed, situation.resource
    scaling = resource.spec.autoscaling
    handover = _handover(situation.deployment, scaling.min_replicas) if scaling else None
    found: list[Effect] = []
    for body in map(stamped, _bodies(situation, routes, image, idle=idle)):
        if body["kind"] == "Deployment" and handover is not None:
            found.append(Apply(handover, HANDOVER_MANAGER))
            continue
        there = child(observed.children, body["kind"], body["metadata"]["name"])
        if body["kind"] not in observed.unknown and not up_to_date(body, there):
            found.append(Apply(_fenced(body, there) if body["kind"] == "ConfigMap" else body))
    if scaling is None:
        found += [
            Delete(Ref("autoscaling/v2", "HorizontalPodAutoscaler", str(get(c, "metadata", "name"))), _uid(c))
            for c in observed.children
            if c.get("kind") == "HorizontalPodAutoscaler" and not get(c, "metadata", "deletionTimestamp")
            if _is_ours(resource, c)
        ]
    return found


def _bodies(situation: Situation, routes: Routes, image: str, *, idle: bool) -> list[dict[str, Any]]:
    """All children. The Service is first: its name is the user's own and may be taken, which is found out before
    anything else is there."""
    resource, config, observation = situation.resource, situation.config, situation.observation
    scaling = resource.spec.autoscaling
    bodies = [service.body(resource)]
    if resource.spec.service_account_name is None:
        bodies.append(workload.service_account(resource))
    bodies += [
        routes_configmap.config_map(resource, routes),
        workload.deployment(
            resource,
            image=image,
            tensorflow=image == config.server_tf_image,
            claims=situation.claims,
            one_node=situation.on_one_node,
            replicas=None if scaling else resource.spec.replicas,
            idle=idle,
        ),
        network_policy.of_servers(resource, config.operator_namespace),
        disruption_budget.body(resource),
    ]
    if resource.spec.model.uri:
        bodies.append(network_policy.of_imports(resource))
    if scaling is not None:
        bodies.append(autoscaler.body(resource, scaling))
    counted = [one.version.key for one in situation.state.counted]
    return bodies + totals_configmap.bodies(
        resource, counted, situation.stored, observation.baselines, observation.totals, _begun(situation)
    )


def _begun(situation: Situation) -> list[VersionKey]:
    """The candidate, once pods report counts of it: each step begins at a time of its own, its counts do not."""
    candidate = situation.state.candidate
    seen = situation.windows.get(candidate.version.key) if candidate is not None else None
    return [candidate.version.key] if candidate is not None and seen is not None and seen.buckets else []


def _fenced(body: dict[str, Any], there: Json | None) -> dict[str, Any]:
    """Refused by the API server if someone wrote since: a leader that slept must not undo its successor (D2)."""
    version = get(there, "metadata", "resourceVersion")
    if not version:
        return body
    return {**body, "metadata": {**body["metadata"], "resourceVersion": version}}


def _handover(deployment: Json | None, least: int) -> dict[str, Any] | None:
    """The body by which a second manager owns the number as it stands, while it is ours alone; None without need.

    Giving up a number that no other manager owns would reset it to 1; an autoscaler leaves a number of 0 alone for
    ever, so at least `least` is handed over. Refused by the API server if the number, or anything else, has changed
    since it was read.
    """
    managers = {str(get(one, "manager")) for one in get(deployment, "metadata", "managedFields") or () if _counts(one)}
    if deployment is None or managers != {MANAGER}:
        return None
    meta = {key: get(deployment, "metadata", key) for key in ("name", "namespace", "resourceVersion")}
    number = max(least, int(get(deployment, "spec", "replicas") or 0))
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"replicas": number}}


def _counts(entry: Json) -> bool:
    """True if an entry of managedFields owns the number of pods."""
    return get(entry, "fieldsV1", "f:spec", "f:replicas") is not None


def _is_ours(resource: ModelDeployment, one: Json) -> bool:
    owners = get(one, "metadata", "ownerReferences") or ()
    return any(get(owner, "controller") and get(owner, "uid") == resource.metadata.uid for owner in owners)


def _uid(one: Json) -> str:
    return str(get(one, "metadata", "uid") or "")
