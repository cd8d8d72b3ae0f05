"""Switching: the servers were told to answer with the version; the old one goes once all have switched."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from ropewalk_contract import reasons

from ...gates.loaded import PATIENCE, refusal
from ...gates.verdict import Verdict
from ..changes import quarantined, told
from ..step import StepInput, Transition


def switching(step: StepInput) -> Transition:
    """To Live (no candidate) once all ready pods answer with it. Live stays as it is."""
    state, routes, version, now = step.state, step.routes, step.version, step.now
    ready = [pod for pod in step.pods if pod.ready]
    # A store that cannot be read for a while is no fault of a version that has answered before.
    answered = state.live is not None and version.same(state.live.version)
    refused = refusal(step.pods, routes, version, routes.at, now, inf if answered else PATIENCE)
    if refused is not None and not ready and state.is_quarantined(version) is None:
        pod, held = refused
        text = held.message or "it could not be loaded"
        failure = Verdict("Failed", text, held.reason or reasons.LOAD_FAILED, pod=pod.name)
        return quarantined(replace(step, state=replace(state, candidate=None)), failure, keep=True)
    if any(pod.serves(version) for pod in ready):
        state = state.without_quarantine(version)
    if not ready or not all(pod.serves(version) for pod in ready):
        return Transition(
            state, f"{sum(pod.serves(version) for pod in ready)} of {len(ready)} ready pods answer with it"
        )
    if state.candidate is not None and state.live is not None:
        state = replace(state, live=replace(state.live, since=now))
    state = replace(state, candidate=None)
    if routes.versions != (version,) or routes.pilot is not None:
        state = told(state, now, live=version.served, versions=(version,))
    return Transition(state, "all ready pods answer with it")
