"""What to do about a ModelDeployment now: keep its children as they should be, and move towards the wanted version.

What the servers are told is reserved in status first, under a revision of its own; the ConfigMap follows in the next
pass from what is stored, so that any operator writes the same bytes (D2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ropewalk.api import conditions as api

from ..conditions import Condition, clip, set_conditions
from ..plan import Annotate, Apply, Delete, Effect, Json, Observed, Plan, Ref
from . import exposure, fleet, memory, monitor, pods, problems, rollout, routes, status, target, wishes
from .applied import stamped, up_to_date
from .fleet import NUDGE_ANNOTATION, Pod
from .memory import Memory, Routes
from .versions import get

REST = 15.0
"""Seconds between two looks at the windows of pods that serve."""
FOLLOW = 0.25
"""Seconds between two looks while a version changes: pods say that they have it, no event does."""
STARTING = 1.0
FIRST_NUDGE, LONGEST_NUDGE = 1.0, 30.0
SILENT = 60.0
"""A pod that still follows older routes after so long is replaced."""


def plan(observed: Observed, now: datetime) -> Plan:
    """The plan for a ModelDeployment. A spec that cannot be honoured stalls it; what serves goes on serving."""
    owner = observed.owner
    try:
        wanted = wishes.read(owner)
    except (wishes.InvalidSpec, ValueError, TypeError) as error:
        return _invalid(owner, str(error), now)
    if "Pod" in observed.unknown or "ConfigMap" in observed.unknown:
        return Plan(requeue_after=5.0)
    config = _child(observed, "ConfigMap", pods.routes_name(wanted))
    told = routes.observed_routes(config)
    remembered = _generation_changed(owner, memory.read(owner, told))
    fleet_now = fleet.pods(wanted, observed.children, observed.scrapes)
    aim = target.wanted(wanted, observed)
    replicas = _replicas(observed, wanted)
    step = rollout.advance(remembered, aim, fleet_now, replicas, now)
    after = _settings_changed(step.memory, remembered, wanted, told, now)
    seen = monitor.observe(fleet_now, observed.scrapes)
    after = monitor.remember(after, seen, wanted.monitoring, now)
    one_node = _one_node(observed, wanted, after.routes)
    view = status.View(
        wishes=wanted,
        memory=after,
        target=aim,
        pods=fleet_now,
        problem=problems.of(fleet_now),
        blocked=_blocked(observed, after.routes),
        seen=seen,
        replicas=replicas,
        image=observed.config.server_image,
        one_node=one_node,
    )
    document = status.document(owner, view, now)
    if after.routes is None or remembered.routes is None or after.routes.revision != remembered.routes.revision:
        return Plan(status=document, events=step.events, requeue_after=0.0 if after.routes else REST)
    effects = [
        *_children(observed, wanted, after.routes, one_node),
        *_nudges(fleet_now, after.routes, told, now),
    ]
    return Plan(tuple(effects), document, step.events, _again(after, fleet_now, replicas))


def _again(after: Memory, fleet_now: Sequence[Pod], replicas: int) -> float:
    if replicas == 0 and not fleet_now:
        return 10 * REST
    behind = any(p.report is not None and after.routes and p.report.revision < after.routes.revision for p in fleet_now)
    if (after.candidate is not None and any(p.running for p in fleet_now)) or behind:
        return FOLLOW
    if not any(p.ready for p in fleet_now) and any(p.running for p in fleet_now):
        return STARTING
    return REST


def _generation_changed(owner: Json, remembered: Memory) -> Memory:
    """After an edit of the spec nothing of an old failure stands in the way, the failure itself is still told."""
    generation = int(get(owner, "metadata", "generation") or 0)
    return remembered if remembered.generation == generation else replace(remembered, quarantined=())


def _settings_changed(after: Memory, before: Memory, wanted: wishes.Wishes, told: Json | None, now: datetime) -> Memory:
    """Limits, engine and bucket length are told under a revision of their own where no other one is under way."""
    same_routes = (
        after.routes is not None and before.routes is not None and after.routes.revision == before.routes.revision
    )
    if after.routes is None or not same_routes or told is None or told.get("revision") != after.routes.revision:
        return after
    if all(told.get(key) == value for key, value in routes.settings(wanted).items()):
        return after
    return replace(after, routes=replace(after.routes, revision=after.routes.revision + 1, at=now))


def _child(observed: Observed, kind: str, name: str) -> Json | None:
    found = (c for c in observed.children if c.get("kind") == kind and get(c, "metadata", "name") == name)
    return next(found, None)


def _replicas(observed: Observed, wanted: wishes.Wishes) -> int:
    """How many pods there should be; an autoscaler's word counts where there is one."""
    if wanted.autoscaling is None:
        return wanted.replicas
    scaled = get(_child(observed, "Deployment", pods.server_name(wanted)), "spec", "replicas")
    return scaled if isinstance(scaled, int) else wanted.autoscaling.min_replicas


def _claims(told: Routes | None) -> set[str]:
    return {version.claim for version in told.versions} if told else set()


def _one_node(observed: Observed, wanted: wishes.Wishes, told: Routes | None) -> bool:
    deployment = _child(observed, "Deployment", pods.server_name(wanted))
    before = get(deployment, "spec", "template", "spec", "affinity", "podAffinity") is not None
    return target.one_node(_claims(told), observed, before)


def _blocked(observed: Observed, told: Routes | None) -> tuple[str, str] | None:
    for version in told.versions if told else ():
        problem = target.claim_problem(version, observed)
        if problem is not None:
            return problem
    return None


def _children(observed: Observed, wanted: wishes.Wishes, told: Routes, one_node: bool) -> list[Effect]:
    """Apply what is not as it should be, what others refer to first."""
    scaling = wanted.autoscaling
    bodies: list[dict[str, Any]] = [
        routes.config_map(wanted, told),
        pods.deployment(
            wanted,
            image=observed.config.server_image,
            claims=_claims(told),
            one_node=one_node,
            replicas=None if scaling else wanted.replicas,
        ),
        exposure.service(wanted),
        exposure.network_policy(wanted, observed.config.operator_namespace),
        exposure.disruption_budget(wanted),
    ]
    if wanted.service_account is None:
        bodies.insert(0, pods.service_account(wanted))
    if scaling is not None:
        bodies.append(exposure.autoscaler(wanted, scaling))
    effects: list[Effect] = []
    for body in map(stamped, bodies):
        there = _child(observed, body["kind"], body["metadata"]["name"])
        if body["kind"] not in observed.unknown and not up_to_date(body, there):
            effects.append(Apply(body))
    if scaling is None:
        effects += [
            Delete(Ref("autoscaling/v2", "HorizontalPodAutoscaler", str(get(c, "metadata", "name"))), _uid(c))
            for c in observed.children
            if c.get("kind") == "HorizontalPodAutoscaler" and not get(c, "metadata", "deletionTimestamp")
        ]
    return effects


def _nudges(fleet_now: Sequence[Pod], told: Routes, stored: Json | None, now: datetime) -> list[Effect]:
    """Make kubelet sync the routes of pods that follow older ones, again with growing pauses; replace a deaf pod."""
    effects: list[Effect] = []
    for pod in fleet_now:
        if pod.report is None or pod.report.revision >= told.revision or pod.deleting:
            continue
        if (now - told.at).total_seconds() > SILENT and stored and stored.get("revision") == told.revision:
            return [Delete(Ref("v1", "Pod", pod.name), pod.uid)]
        value = _next_nudge(pod.nudge, told.revision, now)
        if value is not None:
            effects.append(Annotate(Ref("v1", "Pod", pod.name), pod.uid, NUDGE_ANNOTATION, value))
    return effects


def _next_nudge(before: str, revision: int, now: datetime) -> str | None:
    """`<revision>.<count>.<epoch>`, or None while the pause after the last one lasts."""
    parts = before.split(".")
    seconds = int(now.timestamp())
    if len(parts) != 3 or not all(p.isdecimal() for p in parts) or int(parts[0]) != revision:
        return f"{revision}.1.{seconds}"
    count, at = int(parts[1]), int(parts[2])
    if seconds - at < min(LONGEST_NUDGE, FIRST_NUDGE * 2 ** min(count, 10)):
        return None
    return f"{revision}.{count + 1}.{seconds}"


def _uid(child: Json) -> str:
    return str(get(child, "metadata", "uid") or "")


def _invalid(owner: Json, message: str, now: datetime) -> Plan:
    before = dict(owner.get("status") or {})
    kept = [c for c in before.get("conditions") or () if c.get("type") != api.STALLED]
    generation = int(get(owner, "metadata", "generation") or 0)
    condition = Condition(api.STALLED, "True", api.INVALID_SPEC, message)
    new = set_conditions(before.get("conditions") or (), [condition], generation=generation, now=now)
    summary = {**(before.get("summary") or {}), "message": clip(message, 512)}
    return Plan(status={**before, "conditions": kept + new, "summary": summary, "observedGeneration": generation})
