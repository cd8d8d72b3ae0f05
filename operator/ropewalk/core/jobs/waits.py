"""Why the pod of a Job does not run although it should, in kubelet's and the scheduler's words where they have any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ropewalk_contract.api import conditions as api

from ..conditions import clip
from ..plan import Json, Ref
from .observed import CONFIG_REASONS, IMAGE_REASONS, Attempt, Container, Pod

POD_EXPECTED = timedelta(seconds=5)
"""The Job controller makes a Job's pod within a second or two, unless the API server refuses it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing runs yet; `reason` is empty while that is normal, `since` starts the clock of `timeouts.startup`."""

    reason: str
    message: str
    since: datetime | None
    stage: str = ""


def without_pod(attempt: Attempt, now: datetime) -> Waiting:
    """The wait for the pod of a Job that works. Why there is none stands in the Job's Events only."""
    if attempt.had_pod:  # It is gone; the Job says in a moment what that means.
        return Waiting("", "", now)
    if attempt.created_at is None or now - attempt.created_at <= POD_EXPECTED:
        return Waiting("", "", attempt.created_at)
    text = (
        f"Job {attempt.name} has no pod, so something refuses it (a quota, a LimitRange, admission); "
        f"`kubectl describe job {attempt.name}` says what"
    )
    return Waiting(api.POD_NOT_CREATED, text, attempt.created_at)


def waiting(pod: Pod, container: Container, since: datetime | None, stage: str) -> Waiting:
    """The wait for a container of a pod, with kubelet's or the scheduler's word for it."""
    message = clip(container.message, 400)
    if container.reason in IMAGE_REASONS | CONFIG_REASONS:
        return Waiting(container.reason, message, since, stage)
    if pod.unschedulable:
        return Waiting(api.UNSCHEDULABLE, pod.unschedulable, since, stage)
    return Waiting("", "", since, stage)


def named(verdict: Waiting, reason: str, message: str, mounted: Mapping[Ref, Json | None]) -> Waiting:
    """The root of the wait: a claim or ConfigMap that is absent, which kubelet tells in Events only.

    `reason` and `message` are what was said before.
    """
    if verdict.reason in IMAGE_REASONS and reason in IMAGE_REASONS:  # Kubelet goes back and forth between two.
        return replace(verdict, reason=reason, message=message)
    if verdict.reason and verdict.reason != api.UNSCHEDULABLE:
        return verdict
    for ref, there in mounted.items():
        if there is None and ref.kind in ("PersistentVolumeClaim", "ConfigMap"):
            reason = api.VOLUME_NOT_FOUND if ref.kind == "PersistentVolumeClaim" else api.CONFIG_MAP_NOT_FOUND
            text = f"{ref.kind} {ref.name} does not exist in this namespace; create it or correct the uri"
            return replace(verdict, reason=reason, message=text)
    return verdict
