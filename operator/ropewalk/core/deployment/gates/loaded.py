"""The gate of loading: every pod that the step asks has loaded the version, verified its files and replayed its
examples (state Proved)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ropewalk_contract import reasons
from ropewalk_contract.documents.status_report import HeldVersion as Held

from ..observe.pods import Pod
from ..rollout.step import StepInput
from ..state import Routes
from ..versions import Version
from .verdict import Verdict

PATIENCE = 60.0
"""Seconds for which a fault that may pass by itself does not count against a version."""


def loaded(step: StepInput) -> Verdict:
    """Failed where one pod refuses the version; Passed where all ready pods, or all running ones where none is ready,
    have proved it."""
    asked = [pod for pod in step.asked if pod.ready] or [pod for pod in step.asked if pod.running]
    proved = sum(pod.proved(step.version) for pod in asked)
    count, needed = len(asked), max(1, len(asked))
    text = f"{proved} of {count} pods have proved it"
    seen = Verdict("Inconclusive", text, value=proved, bound=needed, samples=count, needed=needed)
    found = refusal(step.asked, step.routes, step.version, step.since, step.now)
    if found is not None:
        pod, held = found
        reason, text = held.reason or reasons.LOAD_FAILED, held.message or "it could not be loaded"
        return replace(seen, verdict="Failed", message=text, reason=reason, pod=pod.name)
    return replace(seen, verdict="Passed") if asked and proved == count else seen


def refusal(
    pods: Iterable[Pod], routes: Routes, version: Version, since: datetime, now: datetime, patience: float = PATIENCE
) -> tuple[Pod, Held] | None:
    """A pod that will not serve the version, asked for it at `since`. A report on older routes does not count."""
    for pod in pods:
        held = pod.holds(version)
        if held is None or not held.refused:
            continue
        if held.may_pass and min(pod.age(now), (now - since).total_seconds()) < patience:
            continue
        if not pod.deleting and pod.mounts(version) and pod.follows(routes.revision):
            return pod, held
    return None
