"""Pending: no pod can try the version yet, since none that runs mounts its claim. Then one pilot pod loads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count

from ...observe.pods import Pod
from ...state import Candidate, Step
from ...versions import Version
from ..changes import told
from ..step import StepInput, Transition


def pending(step: StepInput) -> Transition:
    """To Loading with the first pod that can be the pilot."""
    state, routes, version, now = step.state, step.routes, step.version, step.now
    pilot = _choose_pilot(step.pods, version)
    if pilot is None:
        why = f"no running pod mounts claim {version.claim}"
        if state.candidate is not None and state.candidate.version.same(version):
            return Transition(state, why)
        return Transition(replace(state, candidate=Candidate(version, Step.PENDING, now)), why)
    live = routes.version(routes.live)
    version = _numbered(version, live, step.pods)
    versions = (live, version) if live is not None else (version,)
    candidate = version, Step.LOADING
    state = told(state, now, live=routes.live, versions=versions, pilot=pilot.name, candidate=candidate)
    return Transition(state, f"pod {pilot.name} is the pilot")


def _choose_pilot(pods: Sequence[Pod], version: Version) -> Pod | None:
    """The oldest ready pod that could load it, else the oldest that runs."""
    able = [pod for pod in pods if pod.mounts(version)]
    candidates = [pod for pod in able if pod.ready] or [pod for pod in able if pod.running]
    return candidates[0] if candidates else None


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
