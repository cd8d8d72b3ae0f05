"""The message on a rollout that waits (`status.candidate.message`), and the pods that do not answer at all.

One pod's report stands for all: the first that the rollout waits for. The message stays while the cause does, and a
rollout that goes well is over before there is one, so that it costs no writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from ropewalk.core.conditions import clip, find, parse_timestamp
from ropewalk_contract.api import conditions as api
from ropewalk_contract.documents.status_report import PROVED

from ..children.workload import MONITORING_PORT
from ..observe.pods import Pod
from ..state import DeploymentState, Step
from ..versions import Version

UNUSUAL = 10.0
"""Seconds after which waiting gets a message: a container has answered, a small version is loaded long before."""
SILENT = 60.0
"""Seconds without an answer after which a pod is given up."""


def words(state: DeploymentState, pods: Sequence[Pod], blocked: tuple[str, str] | None, now: datetime) -> str:
    """The message of the candidate; empty where waiting is usual, or where no pod runs and its problem is told."""
    candidate, routes = state.candidate, state.routes
    if candidate is None or routes is None or (now - candidate.since).total_seconds() < UNUSUAL:
        return ""
    if blocked is not None:
        return blocked[1]
    running = [pod for pod in pods if pod.running]
    if candidate.step is Step.PENDING:
        return f"no running pod mounts claim {candidate.version.claim} yet" if running else ""
    asked = [pod for pod in running if routes.pilot in (None, pod.name)]
    if routes.pilot is None and any(pod.ready for pod in asked):
        asked = [pod for pod in asked if pod.ready]
    found = (_keeps_waiting(pod, candidate.version, routes.revision) for pod in asked)
    return clip(next((text for text in found if text), ""), 600)


def _keeps_waiting(pod: Pod, version: Version, revision: int) -> str:
    if pod.refused:
        return f"pod {pod.name} gives a report that cannot be read: {pod.refused}"
    if pod.report is None:
        return f"pod {pod.name} does not answer the operator on port {MONITORING_PORT}: look at its network policies"
    if not pod.follows(revision):
        return f"pod {pod.name} still follows older routes"
    held = pod.holds(version)
    if held is None:
        return (
            f"pod {pod.name} answers with another model of its number" if pod.is_stuck_on_a_namesake_of(version) else ""
        )
    if held.refused:
        return f"pod {pod.name}: {held.reason}: {held.message}"
    return "" if held.state == PROVED else f"pod {pod.name} is loading it"


def silent(pods: Iterable[Pod], now: datetime) -> tuple[str, ...]:
    """The pods that have been running for a while and do not answer."""
    return tuple(pod.name for pod in pods if pod.running and pod.ip and pod.report is None and pod.age(now) > UNUSUAL)


def given_up(conditions: object, pods: Sequence[Pod], now: datetime) -> frozenset[str]:
    """The pods that have not answered for a minute, by the stored condition Observed, while another one does.

    Only then is it the pod's fault: where none answers, it is the way to them, and kubelet restarts what hangs.
    """
    observed = find(conditions, api.OBSERVED) or {}
    since = parse_timestamp(observed.get("lastTransitionTime"))
    if observed.get("reason") != api.UNREACHABLE or since is None or (now - since).total_seconds() < SILENT:
        return frozenset()
    if not any(pod.report is not None for pod in pods):
        return frozenset()
    named = set(re.split(r"[ ,:]+", str(observed.get("message"))))
    return frozenset(pod.name for pod in pods if pod.name in silent(pods, now) and pod.name in named)
