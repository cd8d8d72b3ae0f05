"""The monitoring phase: the verdicts on the windows of the live, the candidate and the retired version."""

from __future__ import annotations

from dataclasses import replace

from ..situation import Situation
from ..state import DeploymentState
from . import verdicts


def monitored(situation: Situation, state: DeploymentState) -> DeploymentState:
    """The state, as the rollout left it, with the verdicts on each version's windows; unchanged where nothing can be
    concluded."""
    live, answers, windows = state.live, situation.answers, situation.windows
    settings, now = situation.resource.spec.monitor, situation.now
    if live is None or not answers.complete:
        return state
    candidate, retired = state.candidate, state.retired
    if candidate is not None and (seen := windows.get(candidate.version.key)) is not None:
        quality = verdicts.performance(candidate.performance, seen, candidate.version, settings, now)
        state = replace(state, candidate=replace(candidate, performance=quality))
    if retired is not None and (seen := windows.get(retired.version.key)) is not None:
        quality = verdicts.performance(retired.performance, seen, retired.version, settings, now)
        state = replace(state, retired=replace(retired, performance=quality))
    if (seen := windows.get(live.version.key)) is None:
        return state
    drift_before = verdicts.current(state.drift, live, settings)
    known = (*seen.totals.windows, *seen.buckets)
    return replace(
        state,
        traffic=verdicts.traffic(state.traffic, seen.buckets, answers.closed_by),
        drift=verdicts.drift_over(drift_before, known, seen.baseline, settings, answers.closed_by),
        performance=verdicts.performance(state.performance, seen, live.version, settings, now),
    )
