"""Changes of the stored state that steps make: other routes under the next revision, quarantine, no candidate."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ropewalk.core.conditions import timestamp
from ropewalk.core.plan import Event

from ..gates.verdict import Verdict
from ..state import MAX_QUARANTINED, Candidate, DeploymentState, Routes, Step
from ..versions import Version
from .step import StepInput, Transition


def told(
    state: DeploymentState,
    now: datetime,
    *,
    live: int | None,
    versions: tuple[Version, ...],
    pilot: str | None = None,
    candidate: tuple[Version, Step] | None = None,
) -> DeploymentState:
    """The state with the next revision of the routes reserved; with `candidate` in its step, which begins now."""
    before = state.routes
    revision, retry = (before.revision + 1, before.retry) if before else (1, 0)
    state = replace(state, routes=Routes(revision, live, pilot, versions, now, retry))
    return replace(state, candidate=Candidate(*candidate, now)) if candidate is not None else state


def switched(step: StepInput) -> DeploymentState:
    """The old version stays loaded until all pods have switched, so that no request falls between the two."""
    version = step.version
    versions = step.routes.versions
    return told(step.state, step.now, live=version.served, versions=versions, candidate=(version, Step.SWITCHING))


def without_candidate(state: DeploymentState, routes: Routes, now: datetime) -> DeploymentState:
    """A version that failed is neither loaded nor tried: servers are told of the live one alone."""
    state = replace(state, candidate=None)
    live = routes.version(routes.live)
    if live is None or (routes.versions == (live,) and routes.pilot is None):
        return state
    return told(state, now, live=routes.live, versions=(live,))


def quarantined(step: StepInput, failure: Verdict, *, keep: bool = False) -> Transition:
    """RolledBack: this digest is not tried again until the spec or the champion changes. The live version stays live.

    `keep`: the routes stay as they are, since there is no other version to answer with.
    """
    state, version, now = step.state, step.version, step.now
    reason, text = failure.reason, failure.message
    entry = {"version": version.number, "reason": reason, "message": text, "at": timestamp(now)}
    if version.identity:
        entry["digest"] = version.identity
    last = {"location": "Model", "reason": reason, "message": text, "pod": failure.pod, "at": timestamp(now)}
    state = state.remember(version, "Failed", now, reason=reason, message=text)
    state = replace(state, quarantined=(*state.quarantined, entry)[-MAX_QUARANTINED:], last_failure=last)
    if not keep and state.routes is not None:
        state = without_candidate(state, state.routes, now)
    event = Event("Warning", reason, f"version {version.number} is not served: {text}")
    return Transition(state, f"rolled back: {reason}", (event,))
