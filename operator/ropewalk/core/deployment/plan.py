"""What to do about a ModelDeployment now: keep its children as they should be, and move towards the wanted version.

What the servers are told is reserved in status first, under a revision of its own; the ConfigMap follows in the next
pass from what is stored, so that any operator writes the same bytes (D2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ropewalk_contract.api import conditions as api
from ropewalk_contract.api.modeldeployment import ModelDeployment

from ..conditions import Condition, clip, find, set_conditions
from ..names import digest
from ..plan import Json, Observed, Plan, Requeue
from . import image
from . import target as targets
from .children import effects as children
from .children import routes_configmap, workload
from .importing import step as imports
from .monitoring import verdicts
from .observe import pods, totals_configmap, unavailable_reason
from .observe.pods import Pod
from .observe.totals_configmap import StoredTotals
from .observe.windows import observe
from .rollout import machine, nudges, waiting
from .state import DeploymentState
from .status import document as status
from .status import transitions
from .status.inputs import StatusInputs
from .versions import Version, get

MINUTE = 60.0
"""Pods that serve are asked for their windows once a minute, when one has closed; events tell all else."""
CLOSED = 3.0
"""After this long all pods have closed their buckets; up to ten seconds more spread the deployments."""
FOLLOW = 0.25
"""Seconds between two looks while a version changes: pods say that they have it, no event does."""
STARTING = 1.0
LEAVING = 1.0
"""A server that is asked to end waits for a few seconds only until it has been read."""
WAITS_FOR_ITS_TURN = 10.0
SLOW = 5.0
"""Also between two tries to read what could not be read."""
LONG = 15.0
"""Between two looks at a version that has been waiting for ten minutes; what it waits for tells by events too."""

NEEDED = frozenset({"Pod", "ConfigMap", "Deployment"})


def plan(
    resource: ModelDeployment, remembered: DeploymentState, stored: StoredTotals, observed: Observed, now: datetime
) -> Plan:
    """The plan for a ModelDeployment; `remembered` is what its status holds, `stored` what its ConfigMaps hold."""
    owner = observed.owner
    if observed.unknown & NEEDED:
        return Plan(requeue=(Requeue(SLOW, "children could not be listed"),))
    told = routes_configmap.observed_routes(children.child(observed, "ConfigMap", workload.routes_name(resource)))
    remembered = remembered.recovered(told)
    fleet_now = pods.pods(resource, observed.children, observed.scrapes)
    aim = targets.wanted(resource, observed)
    remembered = remembered.forgiving(aim.version, aim.since)
    on_one_node = _one_node(observed, resource, _held(remembered))
    importing = imports.step(resource, aim, observed, fleet_now, one_node=on_one_node, now=now)
    aim = importing.target
    deployment = children.child(observed, "Deployment", workload.server_name(resource))
    chosen = image.choose(resource, aim, remembered, fleet_now, deployment, observed)
    aim = image.held_back(aim, resource, remembered, fleet_now, observed.config)
    replicas = children.replicas(observed, resource)
    arrived = imports.arrived(remembered, aim, importing.record, fleet_now, now)
    if importing.given_up and arrived.candidate is not None and arrived.routes is not None:
        arrived = machine.without_candidate(arrived, arrived.routes, now)
    step = machine.advance(arrived, aim, fleet_now, replicas, now)
    after = _told_anew(step.state, remembered, resource, told, now)
    judged = verdicts.judged(after, resource.spec.monitor)
    seen = observe(fleet_now, observed.scrapes, stored, after.live, resource.spec.monitor, judged, now)
    after = verdicts.remember(after, seen, resource.spec.monitor, now)
    held = _held(remembered)
    one_node = _one_node(observed, resource, held)
    blocked = _blocked(observed, held)
    inputs = StatusInputs(
        resource=resource,
        state=after,
        target=aim,
        pods=fleet_now,
        problem=unavailable_reason.of(fleet_now, deployment, after),
        blocked=blocked,
        seen=seen,
        replicas=replicas,
        image=chosen,
        one_node=one_node,
        waits_for=waiting.words(after, fleet_now, blocked, now),
        silent=waiting.silent(fleet_now, now),
        imported=importing.record,
        importing=imports.words(importing),
        scaling=unavailable_reason.of_autoscaler(
            observed.related.get(workload.autoscaler_ref(resource.metadata.name)), now
        ),
    )
    document = status.document(owner, inputs, now)
    events = (*importing.events, *step.events, *transitions.events(owner.get("status") or {}, document))
    new_image = remembered.server_image != chosen.image
    told_anew = remembered.routes is None or after.routes is None or after.routes.revision != remembered.routes.revision
    if after.routes is None or told_anew or new_image or importing.begun:
        rest = SLOW if aim.reason == targets.UNREADABLE else MINUTE
        again = Requeue(0.0, "a decision was recorded") if after.routes else Requeue(rest, "there is no version yet")
        return Plan(status=document, events=events, requeue=(again,))
    more = totals_configmap.bodies(resource, after.live, stored, seen.baseline_document, seen.totals)
    claims = {version.claim for version in held}
    idle = importing.record is not None and after.live is None
    stood = (owner.get("status") or {}).get("conditions")
    given_up = waiting.given_up(stood, fleet_now, now) if after.candidate is not None else frozenset()
    effects = [
        *children.effects(observed, resource, after.routes, chosen.image, claims, one_node, more, idle=idle),
        *nudges.effects(fleet_now, after.routes, told, replicas, now, given_up),
        *importing.effects,
    ]
    requeue = [*_again(resource.metadata.uid, after, fleet_now, replicas, now), *imports.requeue(importing, now)]
    if after.live is not None and any(pod.leaves_by is not None and pod.leaves_by > now for pod in fleet_now):
        requeue.append(Requeue(LEAVING, "a pod that is deleted reports its last counts"))
    if {version.claim for version in _held(after)} != claims:
        # Pods follow what is stored, and the write of status wakes nobody.
        requeue.append(Requeue(0.0, "the claims of the pods change"))
    if chosen.waiting:
        requeue.append(Requeue(WAITS_FOR_ITS_TURN, "waits for its turn to take the new image"))
    if aim.reason == targets.UNREADABLE:
        requeue.append(Requeue(SLOW, "the followed Pipeline could not be read"))
    return Plan(tuple(effects), document, events, tuple(requeue), asserts_children=True)


def _again(
    uid: str, after: DeploymentState, fleet_now: Sequence[Pod], replicas: int, now: datetime
) -> tuple[Requeue, ...]:
    """Often while pods change versions, less so the longer it takes; once a minute while they serve."""
    if replicas == 0 and not fleet_now:
        return ()
    told, candidate = after.routes, after.candidate
    running = [pod for pod in fleet_now if pod.running]
    behind = told is not None and any(nudges.is_behind(pod, told, now) for pod in running)
    if told is not None and running and (candidate is not None or behind):
        since = max(told.at, candidate.since if candidate else told.at, *(pod.started or told.at for pod in running))
        age = (now - since).total_seconds()
        pause = FOLLOW if age < 10 else STARTING if age < 60 else SLOW if age < 600 else LONG
        return (Requeue(pause, "pods take a version"),)
    if running and not any(pod.ready for pod in running):
        young = any(pod.started is None or (now - pod.started).total_seconds() < 60 for pod in running)
        return (Requeue(STARTING if young else SLOW, "pods start"),)
    spread = int(digest(uid, 4), 16) % 10
    return (Requeue(MINUTE - now.timestamp() % MINUTE + CLOSED + spread, "closed windows of the pods"),)


def _told_anew(
    after: DeploymentState, before: DeploymentState, resource: ModelDeployment, told: Json | None, now: datetime
) -> DeploymentState:
    """A revision of their own for limits, engine and bucket length where no other change is under way; and one above
    all that servers may have heard where status is older than the ConfigMap (restored from a backup, for instance)."""
    if after.routes is None or before.routes is None or told is None:
        return after
    heard = int(told["revision"])
    if heard > before.routes.revision:
        return replace(after, routes=replace(after.routes, revision=heard + 1, at=now))
    settled = after.routes.revision == before.routes.revision == heard
    if not settled or all(told.get(key) == value for key, value in routes_configmap.settings(resource).items()):
        return after
    return replace(after, routes=replace(after.routes, revision=heard + 1, at=now))


def _held(remembered: DeploymentState) -> tuple[Version, ...]:
    """The versions whose claims pods need, as stored: what was only just decided is not acted on yet."""
    listed = remembered.routes.versions if remembered.routes else ()
    candidate = remembered.candidate
    return (*listed, candidate.version) if candidate is not None else listed


def _one_node(observed: Observed, resource: ModelDeployment, held: Sequence[Version]) -> bool:
    deployment = children.child(observed, "Deployment", workload.server_name(resource))
    before = get(deployment, "spec", "template", "spec", "affinity", "podAffinity") is not None
    return targets.one_node({version.claim for version in held}, observed, before)


def _blocked(observed: Observed, held: Sequence[Version]) -> tuple[str, str] | None:
    found = (targets.claim_problem(version, observed) for version in held)
    return next((problem for problem in found if problem is not None), None)


def invalid(owner: Json, message: str, now: datetime) -> Plan:
    """The plan for a ModelDeployment whose spec cannot be honoured."""
    before = dict(owner.get("status") or {})
    stood = before.get("conditions") or ()
    generation = int(get(owner, "metadata", "generation") or 0)
    found = [Condition(api.STALLED, "True", api.INVALID_SPEC, message)]
    ready = find(stood, api.READY)
    if ready is None or ready.get("reason") == api.INVALID_SPEC:
        found.append(Condition(api.READY, "False", api.INVALID_SPEC, message))
    replaced = {one.type for one in found}
    conditions = [
        *(c for c in stood if c.get("type") not in replaced),
        *set_conditions(stood, found, generation=generation, now=now),
    ]
    summary = {**(before.get("summary") or {}), "message": clip(f"{api.INVALID_SPEC}: {message}", 512)}
    status_now = {**before, "conditions": conditions, "summary": summary, "observedGeneration": generation}
    return Plan(status=status_now)
