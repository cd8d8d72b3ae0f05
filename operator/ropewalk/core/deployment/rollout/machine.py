"""The rollout of a version: one pilot pod first, then all, then the switch (D7).

`advance` takes the stored step of the candidate and moves it by one at most. It never unloads the live version for
want of a better one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ..observe.pods import Pod
from ..state import Candidate, DeploymentState, Live, Retired, Routes, Step
from ..target import Target
from ..versions import Version
from .changes import told, without_candidate
from .step import StepInput, Transition
from .steps.loading import loading
from .steps.pending import pending
from .steps.spreading import spreading
from .steps.switching import switching

TRANSITIONS: Mapping[Step, Callable[[StepInput], Transition]] = {
    Step.PENDING: pending,
    Step.LOADING: loading,
    Step.SPREADING: spreading,
    Step.SWITCHING: switching,
}


def advance(state: DeploymentState, target: Target, pods: Sequence[Pod], replicas: int, now: datetime) -> Transition:
    """The next state. Its routes have a higher revision if the servers must be told anew."""
    version = target.version
    state = _observed_live(state, pods, now)
    routes = state.routes
    if state.forgiven and routes is not None:
        again = replace(routes, revision=routes.revision + 1, retry=routes.retry + 1, at=now)
        return Transition(replace(state, routes=again), "servers are told to try again")
    if version is None:
        return Transition(state, "no version is wanted")
    if routes is None:
        first = Routes(1, version.served, None, (version,), now)
        begun = replace(state, routes=first, candidate=Candidate(version, Step.LOADING, now))
        return Transition(begun, "the first version")
    quarantined = state.is_quarantined(version)
    listed = routes.listed(version)
    if listed is not None:
        # What was known of it when it was listed stays known, though its Pipeline may have forgotten it since.
        digests = version.digest or listed.digest, version.manifest_digest or listed.manifest_digest
        version = Version(version.number, version.uri, *digests, listed.served_as)
    step = StepInput(state, routes, version, pods, now)
    answers = listed is not None and listed is routes.version(routes.live)
    if not answers and quarantined is not None:
        return Transition(without_candidate(state, routes, now), "it is in quarantine")
    if not answers and replicas == 0 and not pods:
        candidate = version, Step.SWITCHING
        state = told(state, now, live=version.served, versions=(version,), candidate=candidate)
        return Transition(state, "there are no pods")
    return TRANSITIONS[_step(state, routes, version)](step)


def _step(state: DeploymentState, routes: Routes, version: Version) -> Step:
    """The step that the rollout is in: the stored one, or where the version enters by the routes as they are.

    A stored step of another version, or one that the routes contradict (a status restored from a backup), is no step
    of this rollout.
    """
    listed = routes.listed(version)
    if listed is None:
        possible: tuple[Step, ...] = (Step.PENDING,)
    elif listed is routes.version(routes.live):
        possible = (Step.SWITCHING, Step.LOADING)
    elif routes.pilot is not None:
        possible = (Step.LOADING,)
    else:
        possible = (Step.SPREADING,)
    candidate = state.candidate
    stored = candidate.step if candidate is not None and candidate.version.same(version) else None
    return stored if stored in possible else possible[0]


def _observed_live(state: DeploymentState, pods: Sequence[Pod], now: datetime) -> DeploymentState:
    """Live is the version that the pods report to answer with, never the one that they were told."""
    routes = state.routes
    answer = routes.version(routes.live) if routes else None
    serving = next((pod.holds(answer) for pod in pods if pod.ready and pod.serves(answer)), None)
    if answer is None or serving is None:
        return state
    before = state.live
    if before is not None and answer.same(before.version):
        return replace(state, live=replace(before, version=answer, engine=serving.engine))
    if before is not None:
        replaced = f"by version {answer.number} of {answer.uri}"
        state = state.remember(before.version, "Replaced", now, message=replaced)
        state = replace(state, retired=Retired(before.version, before.since, now, state.performance))
    return replace(state.remember(answer, "Live", now), live=Live(answer, serving.engine, now))
