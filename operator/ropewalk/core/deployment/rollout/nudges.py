"""Making pods follow the routes soon (D7): a nudge makes kubelet sync, and a pod that stays deaf is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ropewalk.core.plan import Annotate, Delete, Effect, Ref
from ropewalk_contract.documents.routes import Routes as RoutesDocument

from ..observe.pods import NUDGE_ANNOTATION, Pod
from ..state import Routes

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STARTING = 5.0
"""A server reads its first routes by itself within this time."""
SILENT = 60.0
"""A pod that still follows older routes after so long, or cannot follow these, is replaced."""


def effects(
    pods: Sequence[Pod],
    told: Routes,
    stored: RoutesDocument | None,
    replicas: int,
    now: datetime,
    given_up: frozenset[str] = frozenset(),
) -> list[Effect]:
    """Effects on pods that follow older routes: nudges with growing pauses; one silent pod at a time is replaced.

    `given_up` are those that do not answer at all.
    """
    behind = [pod for pod in pods if is_behind(pod, told, now)]
    if stored is not None and stored.revision == told.revision:
        stuck = [pod for pod in pods if not pod.deleting and pod.is_stuck_on_a_namesake_of(told.version(told.live))]
        deaf = [pod for pod in (*behind, *stuck) if min(pod.age(now), (now - told.at).total_seconds()) > SILENT]
        deaf += [pod for pod in pods if pod.name in given_up]
        for pod in sorted(deaf, key=lambda one: one.ready):
            if _replaceable(pod, pods, replicas):
                return [Delete(Ref("v1", "Pod", pod.name), pod.uid)]
    found: list[Effect] = []
    for pod in behind:
        value = _next(pod.nudge, told.revision, now)
        if value is not None:
            found.append(Annotate(Ref("v1", "Pod", pod.name), pod.uid, NUDGE_ANNOTATION, value))
    return found


def is_behind(pod: Pod, told: Routes, now: datetime) -> bool:
    """True if the pod reports older routes; a pod that has only just started is left to read its first."""
    if pod.deleting or pod.report is None or pod.report.revision >= told.revision:
        return False
    return pod.report.revision > 0 or pod.age(now) > STARTING


def _replaceable(pod: Pod, pods: Sequence[Pod], replicas: int) -> bool:
    """A pod that answers is replaced only while all others answer."""
    others = [one for one in pods if one.name != pod.name]
    return not pod.ready or (len(pods) >= replicas and all(one.ready for one in others))


def _next(before: str, revision: int, now: datetime) -> str | None:
    """`<revision>.<count>.<epoch milliseconds>`, or None while the pause after the last one lasts."""
    parts = before.split(".")
    moment = int(now.timestamp() * 1000)
    if len(parts) != 3 or not all(part.isdecimal() for part in parts) or int(parts[0]) != revision:
        return f"{revision}.1.{moment}"
    count, at = int(parts[1]), int(parts[2])
    if moment - at < 1000 * min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (min(count, 10) - 1)):
        return None
    return f"{revision}.{count + 1}.{moment}"
