"""A typed view of what was observed of one attempt: its Job, its pod and the two containers, told by name.

Everything a pod says about itself is input from a stranger (D11): kept short, parsed defensively.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ropewalk_contract import wire

from .. import names
from ..conditions import clip, parse_timestamp
from ..objects import label, metadata, name_of, of_kind
from ..plan import Json

TRAIN = wire.TRAIN_CONTAINER
SMOKE_TEST = wire.SMOKE_TEST_CONTAINER
HELPER_JOB = wire.HELPER_JOB_CONTAINER

IMAGE_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ImageInspectError",
        "ErrImageNeverPull",
        "RegistryUnavailable",
        "InvalidImageName",
    }
)
CONFIG_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
DISRUPTION_REASONS = frozenset(
    {"Evicted", "Preempted", "Preempting", "NodeLost", "NodeShutdown", "Terminated", "Shutdown"}
)


@dataclass(frozen=True, slots=True)
class Container:
    """One container's state as kubelet reported it; `state` is waiting, running or terminated."""

    name: str
    state: str
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def out_of_memory(self) -> bool:
        """Killed by the kernel for its limit."""
        return self.state == "terminated" and self.reason == "OOMKilled"

    @property
    def failed(self) -> bool:
        """Ended with anything but 0."""
        return self.state == "terminated" and self.exit_code != 0


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod of an attempt or a helper job; containers that it does not have are waiting."""

    name: str
    ip: str
    phase: str
    reason: str
    message: str
    deleting: bool
    disrupted: bool
    unschedulable: str
    """The scheduler's words while it finds no node, else empty."""
    train: Container
    smoke_test: Container
    helper_job: Container

    @property
    def finished(self) -> bool:
        """All that this pod will say has been said; the Job's own condition comes a second later."""
        ended = "terminated" in (self.smoke_test.state, self.helper_job.state)
        return self.phase in ("Succeeded", "Failed") or self.train.failed or ended


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: its Job and, once there is one, its newest pod."""

    name: str
    uid: str
    created_at: datetime | None
    active: bool
    disrupted: bool
    failure: str
    """The Job's own reason for having failed, or empty."""
    deleting: bool
    had_pod: bool
    """Whether the Job has counted one; it may count it as failed a while before it ends itself."""
    pod: Pod | None


def attempt(children: Iterable[Json], job_name: str) -> Attempt | None:
    """The attempt of that Job name, or None when there is no such Job."""
    children = tuple(children)
    job = next((j for j in of_kind(children, "Job") if name_of(j) == job_name), None)
    if job is None:
        return None
    status = job.get("status") or {}
    ended = {
        c.get("type"): c
        for c in status.get("conditions") or ()
        if c.get("status") == "True" and c.get("type") in ("Complete", "Failed", "FailureTarget")
    }
    failure = ended.get("Failed") or ended.get("FailureTarget") or {}
    pods = [p for p in of_kind(children, "Pod") if label(p, names.JOB_NAME_LABEL) == job_name]
    pods.sort(key=lambda p: (str(metadata(p).get("creationTimestamp", "")), name_of(p)))
    return Attempt(
        name=job_name,
        uid=str(metadata(job).get("uid", "")),
        created_at=parse_timestamp(metadata(job).get("creationTimestamp")),
        active=not ({"Complete", "Failed"} & ended.keys()),
        disrupted=failure.get("reason") == "PodFailurePolicy",
        failure=clip(f"{failure.get('reason', '')}: {failure.get('message', '')}", 300) if failure else "",
        deleting="deletionTimestamp" in metadata(job),
        had_pod=any(status.get(count) for count in ("active", "terminating", "succeeded", "failed")),
        pod=_pod(pods[-1]) if pods else None,
    )


def works(pod: Json) -> bool:
    """Whether a process of the pod may still be at work; one that is deleted has its grace time."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _pod(pod: Json) -> Pod:
    status = pod.get("status") or {}
    conditions = {c.get("type"): c for c in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled", {})
    unschedulable = scheduled.get("status") == "False" and scheduled.get("reason") in (
        "Unschedulable",
        "SchedulerError",
        "SchedulingGated",
    )
    reason = str(status.get("reason") or "")
    return Pod(
        name=name_of(pod),
        ip=str(status.get("podIP") or ""),
        phase=str(status.get("phase") or "Pending"),
        reason=reason,
        message=clip(str(status.get("message") or ""), 300),
        deleting="deletionTimestamp" in metadata(pod),
        disrupted=conditions.get("DisruptionTarget", {}).get("status") == "True" or reason in DISRUPTION_REASONS,
        unschedulable=clip(str(scheduled.get("message") or "no node takes it"), 300) if unschedulable else "",
        train=_container(status.get("initContainerStatuses"), TRAIN),
        smoke_test=_container(status.get("containerStatuses"), SMOKE_TEST),
        helper_job=_container(status.get("containerStatuses"), HELPER_JOB),
    )


def _container(statuses: Any, name: str) -> Container:
    found = next((s for s in statuses or () if s.get("name") == name), None)
    state = (found or {}).get("state") or {}
    for kind in ("terminated", "running", "waiting"):
        if kind in state:
            detail = state[kind] or {}
            code = detail.get("exitCode")
            return Container(
                name=name,
                state=kind,
                reason=str(detail.get("reason") or ""),
                message=str(detail.get("message") or "")[:4096],
                exit_code=code if isinstance(code, int) else None,
                started_at=parse_timestamp(detail.get("startedAt")),
                finished_at=parse_timestamp(detail.get("finishedAt")),
            )
    return Container(name=name, state="waiting")
