"""The writes that make the children what they should be: none where they already are (D10)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ropewalk.core.plan import MANAGER, Apply, Delete, Effect, Json, Observed, Ref
from ropewalk_contract.api.modeldeployment import ModelDeployment

from ..state import Routes
from ..versions import get
from . import exposure, routes_configmap, workload
from .field_drift import stamped, up_to_date

HANDOVER_MANAGER = "ropewalk-handover"
"""Owns the number of pods between us and an autoscaler."""


def child(observed: Observed, kind: str, name: str) -> Json | None:
    """The child of that kind and name, if it is there."""
    found = (c for c in observed.children if c.get("kind") == kind and get(c, "metadata", "name") == name)
    return next(found, None)


def replicas(observed: Observed, resource: ModelDeployment) -> int:
    """How many pods there should be; an autoscaler's word counts where there is one."""
    if resource.spec.autoscaling is None:
        return resource.spec.replicas
    scaled = get(child(observed, "Deployment", workload.server_name(resource)), "spec", "replicas")
    return scaled if isinstance(scaled, int) else resource.spec.autoscaling.min_replicas


def effects(
    observed: Observed,
    resource: ModelDeployment,
    told: Routes,
    image: str,
    claims: set[str],
    one_node: bool,
    more: Iterable[Any],
    *,
    idle: bool = False,
) -> list[Effect]:
    """Apply what is not as it should be, what others refer to first; `more` are ConfigMaps with a version each.

    Pods are `idle` where they cannot have anything to serve yet.
    """
    scaling = resource.spec.autoscaling
    handover = (
        _handover(child(observed, "Deployment", workload.server_name(resource)), scaling.min_replicas)
        if scaling
        else None
    )
    bodies: list[dict[str, Any]] = [
        routes_configmap.config_map(resource, told),
        workload.deployment(
            resource,
            image=image,
            tensorflow=image == observed.config.server_tf_image,
            claims=claims,
            one_node=one_node,
            replicas=None if scaling else resource.spec.replicas,
            idle=idle,
        ),
        exposure.network_policy(resource, observed.config.operator_namespace),
        exposure.disruption_budget(resource),
    ]
    if resource.spec.service_account_name is None:
        bodies.insert(0, workload.service_account(resource))
    # Its name is the user's own and may be taken: that is found out before anything else is there.
    bodies.insert(0, exposure.service(resource))
    if resource.spec.model.uri:
        bodies.append(exposure.import_policy(resource))
    if scaling is not None:
        bodies.append(exposure.autoscaler(resource, scaling))
    found: list[Effect] = []
    for body in map(stamped, [*bodies, *more]):
        if body["kind"] == "Deployment" and handover is not None:
            found.append(Apply(handover, HANDOVER_MANAGER))
            continue
        there = child(observed, body["kind"], body["metadata"]["name"])
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


def _fenced(body: dict[str, Any], there: Json | None) -> dict[str, Any]:
    """Refused by the API server if someone wrote since: a leader that slept must not undo its successor (D2)."""
    version = get(there, "metadata", "resourceVersion")
    if not version:
        return body
    return {**body, "metadata": {**body["metadata"], "resourceVersion": version}}


def _handover(deployment: Json | None, least: int) -> dict[str, Any] | None:
    """What makes a second manager own the number as it stands, while it is ours alone; None where there is no need.

    Giving up a number that nobody else owns would reset it to 1; an autoscaler leaves a number of 0 alone for ever, so
    at least `least` is handed over. Refused by the API server if the number, or anything
    else, has changed since it was read.
    """
    managers = {str(get(one, "manager")) for one in get(deployment, "metadata", "managedFields") or () if _counts(one)}
    if deployment is None or managers != {MANAGER}:
        return None
    meta = {key: get(deployment, "metadata", key) for key in ("name", "namespace", "resourceVersion")}
    number = max(least, int(get(deployment, "spec", "replicas") or 0))
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"replicas": number}}


def _counts(entry: Json) -> bool:
    """Whether an entry of managedFields owns the number of pods."""
    return get(entry, "fieldsV1", "f:spec", "f:replicas") is not None


def _is_ours(resource: ModelDeployment, one: Json) -> bool:
    owners = get(one, "metadata", "ownerReferences") or ()
    return any(get(owner, "controller") and get(owner, "uid") == resource.metadata.uid for owner in owners)


def _uid(one: Json) -> str:
    return str(get(one, "metadata", "uid") or "")
