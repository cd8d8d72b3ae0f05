"""The problem of the pods, by kubelet's and the scheduler's messages, within one pass (never only "NotReady")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ropewalk.core.conditions import clip, parse_timestamp
from ropewalk.core.jobs import container_end
from ropewalk.core.plan import Json
from ropewalk_contract.api import conditions as api

from ..state import DeploymentState
from ..versions import get
from .pods import Pod, container_status

IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
BACK_OFF = "ImagePullBackOff"
CREATE = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})

AT_ZERO = "ScalingDisabled"
SETTLES = 60.0
"""Seconds in which an autoscaler's first metrics come."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a pod does not serve."""

    reason: str
    message: str
    pod: str
    exit_code: int | None = None
    location: str = "Pod"

    @property
    def words(self) -> str:
        """The message, with the pod that it is about."""
        return f"pod {self.pod}: {self.message}" if self.pod else self.message

    def document(self, at: str, before: Any) -> dict[str, Any]:
        """As `status.lastFailure`; the time stays while the problem is the same one."""
        body: dict[str, Any] = {
            "location": self.location,
            "reason": self.reason,
            "message": self.message,
        }
        if self.pod:
            body["pod"] = self.pod
        if self.exit_code is not None:
            body["exitCode"] = self.exit_code
        same = isinstance(before, dict) and all(before.get(k) == v for k, v in body.items())
        return {**body, "at": before["at"] if same and before.get("at") else at}


def of(pods: Sequence[Pod], deployment: Json | None, state: DeploymentState) -> Problem | None:
    """The first problem of the newest pod that has one, else why there are no pods; a ready pod has none."""
    for pod in reversed(pods):
        if not pod.ready and not pod.deleting:
            found = _of_pod(pod, state.last_failure) or _of_model(pod, state)
            if found is not None:
                return found
    for condition in get(deployment, "status", "conditions") or ():
        if get(condition, "type") == "ReplicaFailure" and get(condition, "status") == "True":
            message = clip(str(get(condition, "message") or "pods cannot be created"), 500)
            reason = api.QUOTA_EXCEEDED if "exceeded quota" in message else api.ADMISSION_DENIED
            return Problem(reason, message, "", location="Deployment")
    return None


def of_autoscaler(autoscaler: Json | None, now: datetime) -> str:
    """Why the HorizontalPodAutoscaler does not work, if it has not for a minute; empty: it does, or has just begun."""
    for condition in get(autoscaler, "status", "conditions") or ():
        reason, since = str(get(condition, "reason")), parse_timestamp(get(condition, "lastTransitionTime"))
        broken = get(condition, "type") in ("AbleToScale", "ScalingActive") and get(condition, "status") == "False"
        if broken and reason != AT_ZERO and since is not None and (now - since).total_seconds() >= SETTLES:
            name = get(autoscaler, "metadata", "name")
            hint = "is there a metrics server?" if "Metric" in reason else f"see kubectl describe hpa {name}"
            return f"the autoscaler {name} does not work ({clip(reason, 100)}), the number of pods stays: {hint}"
    return ""


def _of_model(pod: Pod, state: DeploymentState) -> Problem | None:
    """A pod that will not load what is live in others, in its own words."""
    if pod.report is not None and pod.report.unavailable_reason:
        return Problem(api.NOT_READY, pod.report.unavailable_reason, pod.name)
    live = state.routes.version(state.routes.live) if state.routes else None
    held = pod.holds(live)
    if held is None or not held.refused or held.reason == api.NOT_IMPORTED:  # that is being done
        return None
    text = f"version {held.version}: {held.message or 'it could not be loaded'}"
    return Problem(held.reason or api.NOT_READY, text, pod.name, location="Model")


def _of_pod(pod: Pod, before: Json | None) -> Problem | None:
    status = pod.raw.get("status") or {}
    for condition in status.get("conditions") or ():
        if get(condition, "type") == "PodScheduled" and get(condition, "status") == "False":
            return Problem(api.UNSCHEDULABLE, clip(str(get(condition, "message") or "no node takes it"), 500), pod.name)
    server = container_status(pod.raw)
    waiting = get(server, "state", "waiting") or {}
    reason, message = str(waiting.get("reason") or ""), clip(str(waiting.get("message") or ""), 500)
    if reason == BACK_OFF and _told_of(before, pod):
        # kubelet's pauses between two tries: the try itself said more, and a status that alternates is written for ever
        return Problem(api.IMAGE_PULL_FAILED, str(get(before, "message")), pod.name)
    if reason in IMAGE:
        return Problem(api.IMAGE_PULL_FAILED, f"{reason}: {message}", pod.name)
    if reason in CREATE:
        return Problem(api.CONTAINER_CREATE_FAILED, f"{reason}: {message}", pod.name)
    ended = get(server, "state", "terminated") or (get(server, "lastState", "terminated") if not _up(server) else None)
    if isinstance(ended, dict):
        return _crash(pod, ended)
    if str(status.get("phase")) == "Failed":
        text = f"{status.get('reason') or 'Failed'}: {status.get('message') or 'the pod failed'}"
        return Problem(api.CRASHED, clip(text, 500), pod.name)
    return None


def _told_of(before: Json | None, pod: Pod) -> bool:
    return bool(get(before, "reason") == api.IMAGE_PULL_FAILED and get(before, "pod") == pod.name)


def _crash(pod: Pod, ended: dict[str, Any]) -> Problem:
    code = ended.get("exitCode")
    exit_code = code if isinstance(code, int) else None
    if ended.get("reason") == "OOMKilled":
        text = "the server exceeded its memory limit; raise spec.serving.resources.limits.memory"
        return Problem(api.OUT_OF_MEMORY, text, pod.name, exit_code)
    said = clip(str(ended.get("message") or "").strip(), 400)
    text = f"the server {container_end.ended(exit_code)}" + (f": {said}" if said else "")
    return Problem(api.CRASHED, text, pod.name, exit_code)


def _up(server: Any) -> bool:
    """True if it has been running since and is merely not ready yet: its last end is then history."""
    return get(server, "state", "running") is not None and bool(get(server, "ready"))
