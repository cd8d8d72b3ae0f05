"""The requeue phase: when the next pass is due without any event, and why."""

from __future__ import annotations

from ..names import digest
from ..plan import Requeue
from . import target as targets
from .image import Choice
from .importing import step as importing
from .rollout import nudges
from .situation import Situation, held_by
from .state import DeploymentState
from .target import Target

MINUTE = 60.0
"""Pods that serve are asked for their windows once a minute, when one has closed; events tell all else."""
CLOSED = 3.0
"""After this long all pods have closed their buckets; up to ten seconds more spread the deployments."""
FOLLOW = 0.25
"""Seconds between two looks while a version changes: pods report that they have it, no event does."""
STARTING = 1.0
LEAVING = 1.0
"""A server that is asked to end waits for a few seconds only until it has been read."""
WAITS_FOR_ITS_TURN = 10.0
SLOW = 5.0
"""Also between two tries to read what could not be read."""
LONG = 15.0
"""Between two looks at a version that has been waiting for ten minutes; its pods report by events too."""


def after_a_decision(after: DeploymentState, target: Target) -> tuple[Requeue, ...]:
    """At once, to act on what is stored then; later where there is no version to act on."""
    if after.routes is not None:
        return (Requeue(0.0, "a decision was recorded"),)
    return (Requeue(SLOW if target.reason == targets.UNREADABLE else MINUTE, "there is no version yet"),)


def reasons(
    situation: Situation, after: DeploymentState, why: str, imported: importing.Step, chosen: Choice
) -> tuple[Requeue, ...]:
    """All reasons for another pass; the earliest counts. `why` is the rollout's: what its step waits for."""
    now = situation.now
    found = [*_pods(situation, after, why), *importing.requeue(imported, now)]
    if after.live is not None and any(pod.leaves_by is not None and pod.leaves_by > now for pod in situation.pods):
        found.append(Requeue(LEAVING, "a pod that is deleted reports its last counts"))
    if {version.claim for version in held_by(after)} != situation.claims:
        # Pods follow what is stored, and the write of status starts no pass.
        found.append(Requeue(0.0, "the claims of the pods change"))
    if imported.record is not None and situation.state.live is None and after.live is not None:
        found.append(Requeue(0.0, "the first version answers"))
    if chosen.waiting:
        found.append(Requeue(WAITS_FOR_ITS_TURN, "waits for its turn to take the new image"))
    if chosen.target.reason == targets.UNREADABLE:
        found.append(Requeue(SLOW, "the followed Pipeline could not be read"))
    return tuple(found)


def _pods(situation: Situation, after: DeploymentState, why: str) -> tuple[Requeue, ...]:
    """Often while pods change versions, less so the longer it takes; once a minute while they serve."""
    pods, now = situation.pods, situation.now
    if situation.replicas == 0 and not pods:
        return ()
    told, candidate = after.routes, after.candidate
    running = [pod for pod in pods if pod.running]
    behind = told is not None and any(nudges.is_behind(pod, told, now) for pod in running)
    if told is not None and running and (candidate is not None or behind):
        since = max(told.at, candidate.since if candidate else told.at, *(pod.started or told.at for pod in running))
        age = (now - since).total_seconds()
        pause = FOLLOW if age < 10 else STARTING if age < 60 else SLOW if age < 600 else LONG
        return (Requeue(pause, f"{candidate.step}: {why}" if candidate else "pods follow older routes"),)
    if running and not any(pod.ready for pod in running):
        young = any(pod.started is None or (now - pod.started).total_seconds() < 60 for pod in running)
        return (Requeue(STARTING if young else SLOW, "pods start"),)
    spread = int(digest(situation.resource.metadata.uid, 4), 16) % 10
    return (Requeue(MINUTE - now.timestamp() % MINUTE + CLOSED + spread, "closed windows of the pods"),)
