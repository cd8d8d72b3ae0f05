"""How a version comes to answer: one pilot pod first, then all, then the switch (D7).

`advance` looks at what the servers were told and what they say, and gives what they should be told next. It never
unloads what is live for want of something better, and never tells more than one step at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, count
from math import inf

from ropewalk.core.conditions import timestamp
from ropewalk.core.plan import Event
from ropewalk_contract import reasons
from ropewalk_contract.documents.status_report import HeldVersion as Held

from ..observe.pods import Pod
from ..state import LOADING, MAX_QUARANTINED, PENDING, SPREADING, SWITCHING, Candidate, DeploymentState, Live, Routes
from ..target import Target
from ..versions import Version

PATIENCE = 60.0
"""Seconds for which a fault that may pass by itself does not count against a version."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is remembered after this look, and what happened."""

    state: DeploymentState
    events: tuple[Event, ...] = ()


def advance(state: DeploymentState, target: Target, pods: Sequence[Pod], replicas: int, now: datetime) -> Step:
    """One step of the rollout. `memory.routes` has a higher revision afterwards if the servers must be told anew."""
    version = target.version
    state = _observed_live(state, pods, now)
    routes = state.routes
    if state.forgiven and routes is not None:
        again = replace(routes, revision=routes.revision + 1, retry=routes.retry + 1, at=now)
        return Step(replace(state, routes=again))
    if version is None:
        return Step(state)
    if routes is None:
        first = Routes(1, version.served, None, (version,), now)
        return Step(replace(state, routes=first, candidate=Candidate(version, LOADING, now)))
    quarantined = state.is_quarantined(version)
    listed = routes.listed(version)
    if listed is not None:
        # What was known of it when it was listed stays known, though its Pipeline may have forgotten it since.
        digests = version.digest or listed.digest, version.manifest_digest or listed.manifest_digest
        version = Version(version.number, version.uri, *digests, listed.served_as)
    if listed is not None and listed is routes.version(routes.live):
        return _settle(state, routes, version, pods, now)
    if quarantined is not None:
        return Step(without_candidate(state, routes, now))
    if replicas == 0 and not pods:
        return Step(_told(state, now, live=version.served, versions=(version,), step=SWITCHING, version=version))
    if listed is None:
        return Step(_try_on_pilot(state, routes, version, pods, now))
    if routes.pilot is not None:
        return _with_pilot(state, routes, version, pods, now)
    return _spread(state, routes, version, pods, now)


def _observed_live(state: DeploymentState, pods: Sequence[Pod], now: datetime) -> DeploymentState:
    """Live is what the pods say they answer with, never what they were told."""
    routes = state.routes
    told = routes.version(routes.live) if routes else None
    serving = next((pod.holds(told) for pod in pods if pod.ready and pod.serves(told)), None)
    if told is None or serving is None:
        return state
    if state.live is not None and told.same(state.live.version):
        return replace(state, live=replace(state.live, version=told, engine=serving.engine))
    if state.live is not None:
        replaced = f"by version {told.number} of {told.uri}"
        state = state.remember(state.live.version, "Replaced", now, message=replaced)
    return replace(state.remember(told, "Live", now), live=Live(told, serving.engine, now))


def _settle(state: DeploymentState, routes: Routes, version: Version, pods: Sequence[Pod], now: datetime) -> Step:
    """The wanted version is what servers were told to answer with: let the old one go once all have switched."""
    ready = [pod for pod in pods if pod.ready]
    # A store that cannot be read for a while is no fault of a version that has answered before.
    answered = state.live is not None and version.same(state.live.version)
    refused = _refusal(pods, routes, version, routes.at, now, patience=inf if answered else PATIENCE)
    if refused is not None and not ready and state.is_quarantined(version) is None:
        return _failed(replace(state, candidate=None), version, *refused, now, keep=True)
    if any(pod.serves(version) for pod in ready):
        state = state.without_quarantine(version)
    if not ready or not all(pod.serves(version) for pod in ready):
        return Step(state)
    if state.candidate is not None and state.live is not None:
        state = replace(state, live=replace(state.live, since=now))
    state = replace(state, candidate=None)
    if routes.versions != (version,) or routes.pilot is not None:
        state = _told(state, now, live=version.served, versions=(version,))
    return Step(state)


def _numbered(version: Version, live: Version | None, pods: Sequence[Pod]) -> Version:
    """The version under a number that no other model answers for: its own, or else the first free one.

    Servers hold one model a number and never exchange the one that answers. Numbers repeat among models: every
    Pipeline begins with 1, and so does every directory whose name states none.
    """

    def is_free(number: int) -> bool:
        as_that = replace(version, served_as=number)
        answering = [pod for pod in pods if pod.report is not None and pod.report.live == number]
        return (live is None or live.served != number) and all(pod.serves(as_that) for pod in answering)

    number = next(one for one in chain((version.number,), count(1)) if is_free(one))
    return replace(version, served_as=None if number == version.number else number)


def _try_on_pilot(
    state: DeploymentState, routes: Routes, version: Version, pods: Sequence[Pod], now: datetime
) -> DeploymentState:
    pilot = _choose_pilot(pods, version)
    if pilot is None:
        if state.candidate is not None and state.candidate.version.same(version):
            return state
        return replace(state, candidate=Candidate(version, PENDING, now))
    live = routes.version(routes.live)
    version = _numbered(version, live, pods)
    versions = (live, version) if live is not None else (version,)
    return _told(state, now, live=routes.live, versions=versions, pilot=pilot.name, step=LOADING, version=version)


def _with_pilot(state: DeploymentState, routes: Routes, version: Version, pods: Sequence[Pod], now: datetime) -> Step:
    pilot = next((pod for pod in pods if pod.name == routes.pilot and not pod.deleting), None)
    if pilot is None:
        return Step(_try_on_pilot(state, routes, version, pods, now))
    refused = _refusal([pilot], routes, version, _since(state, routes), now)
    if refused is not None:
        return _failed(state, version, *refused, now)
    if not pilot.proved(version):
        return Step(state)
    ready = [pod for pod in pods if pod.ready]
    if all(pod.name == pilot.name for pod in ready):
        return Step(_switch(state, routes, version, now))
    told = _told(state, now, live=routes.live, versions=routes.versions, step=SPREADING, version=version)
    return Step(told)


def _spread(state: DeploymentState, routes: Routes, version: Version, pods: Sequence[Pod], now: datetime) -> Step:
    refused = _refusal(pods, routes, version, _since(state, routes), now)
    if refused is not None:
        return _failed(state, version, *refused, now)
    ready = [pod for pod in pods if pod.ready] or [pod for pod in pods if pod.running]
    if ready and all(pod.proved(version) for pod in ready):
        return Step(_switch(state, routes, version, now))
    return Step(state)


def _switch(state: DeploymentState, routes: Routes, version: Version, now: datetime) -> DeploymentState:
    """The old version stays loaded until all have switched, so that no request falls between the two."""
    return _told(state, now, live=version.served, versions=routes.versions, step=SWITCHING, version=version)


def _told(
    state: DeploymentState,
    now: datetime,
    *,
    live: int | None,
    versions: tuple[Version, ...],
    pilot: str | None = None,
    step: str = "",
    version: Version | None = None,
) -> DeploymentState:
    """The memory with the next revision of the routes reserved."""
    before = state.routes
    revision, retry = (before.revision + 1, before.retry) if before else (1, 0)
    state = replace(state, routes=Routes(revision, live, pilot, versions, now, retry))
    if version is not None:
        state = replace(state, candidate=Candidate(version, step, now))
    return state


def without_candidate(state: DeploymentState, routes: Routes, now: datetime) -> DeploymentState:
    """A version that failed is neither loaded nor tried: servers are told of the live one alone."""
    state = replace(state, candidate=None)
    live = routes.version(routes.live)
    if live is None or (routes.versions == (live,) and routes.pilot is None):
        return state
    return _told(state, now, live=routes.live, versions=(live,))


def _failed(
    state: DeploymentState, version: Version, pod: Pod, held: Held, now: datetime, *, keep: bool = False
) -> Step:
    """Quarantine: this digest is not tried again until the spec or the champion changes. What is live stays live."""
    reason, text = held.reason or reasons.LOAD_FAILED, held.message or "it could not be loaded"
    entry = {"version": version.number, "reason": reason, "message": text, "at": timestamp(now)}
    if version.identity:
        entry["digest"] = version.identity
    failure = {"location": "Model", "reason": reason, "message": text, "pod": pod.name, "at": timestamp(now)}
    state = state.remember(version, "Failed", now, reason=reason, message=text)
    state = replace(state, quarantined=(*state.quarantined, entry)[-MAX_QUARANTINED:], last_failure=failure)
    if not keep and state.routes is not None:
        state = without_candidate(state, state.routes, now)
    event = Event("Warning", reason, f"version {version.number} is not served: {text}")
    return Step(state, (event,))


def _since(state: DeploymentState, routes: Routes) -> datetime:
    return state.candidate.since if state.candidate is not None else routes.at


def _refusal(
    pods: Sequence[Pod],
    routes: Routes,
    version: Version,
    since: datetime,
    now: datetime,
    *,
    patience: float = PATIENCE,
) -> tuple[Pod, Held] | None:
    """A pod that will not serve the version, asked for it `since` then. What a pod says of older routes is history."""
    for pod in pods:
        held = pod.holds(version)
        if held is None or not held.refused:
            continue
        if held.may_pass and min(pod.age(now), (now - since).total_seconds()) < patience:
            continue
        if not pod.deleting and pod.mounts(version) and pod.follows(routes.revision):
            return pod, held
    return None


def _choose_pilot(pods: Sequence[Pod], version: Version) -> Pod | None:
    """The oldest ready pod that could load it, else the oldest that runs."""
    able = [pod for pod in pods if pod.mounts(version)]
    candidates = [pod for pod in able if pod.ready] or [pod for pod in able if pod.running]
    return candidates[0] if candidates else None
