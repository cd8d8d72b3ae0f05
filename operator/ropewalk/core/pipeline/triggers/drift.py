"""The trigger of drift: the condition DataDrift of a ModelDeployment, once for each time it began."""

from __future__ import annotations

from dataclasses import replace

from ropewalk.core.conditions import clip, find
from ropewalk.core.kinds import MODEL_DEPLOYMENT
from ropewalk.core.objects import metadata
from ropewalk.core.quantities import duration

from ..situation import Situation
from ..state import DAY, PipelineState
from .trigger import DRIFT, Trigger

MAX_DRIFTS = 16
"""As many as `triggers.drift.modelDeployments` may name: each has one."""


def drift(situation: Situation, state: PipelineState) -> Trigger | None:
    """A run for drift that is not handled yet, within the cooldown and the number of runs a day."""
    policy, now = situation.spec.triggers.drift, situation.now
    if policy is None:
        return None
    runs = state.drift_runs
    if runs.finished_at is not None and now - runs.finished_at < duration(policy.cooldown):
        return None
    if sum(now - moment < DAY for moment in runs.started) >= policy.max_per_day:
        return None
    # A run that gave no version (it failed, was not blessed, or found no new data) has not answered the drift.
    unanswered = runs.finished_at is not None and not runs.version
    for name in policy.model_deployments:
        found = situation.related.get(MODEL_DEPLOYMENT.ref(name))
        condition = find((found or {}).get("status", {}).get("conditions"), "DataDrift") if found else None
        if condition is None or condition.get("status") != "True":
            continue
        this = f"{name}/{metadata(found or {}).get('uid', '')}/{condition.get('lastTransitionTime', '')}"
        if this in state.handled_drift and not unanswered:
            continue
        others = tuple(h for h in state.handled_drift if not h.startswith(f"{name}/"))
        message = clip(f"{name}: {condition.get('message') or condition.get('reason') or 'drifted'}", 256)
        handled = replace(state, handled_drift=(*others, this)[-MAX_DRIFTS:], drift_runs=runs.with_start(now))
        return Trigger(DRIFT, message, handled)
    return None
