"""The rollout phase: the next step of the version on its way, and a revision of the routes where one is due."""

from __future__ import annotations

from dataclasses import replace

from ..children import routes_configmap
from ..importing import step as importing
from ..situation import Situation
from ..state import DeploymentState
from ..target import Target
from . import machine
from .changes import without_candidate
from .step import Transition


def advance(situation: Situation, imported: importing.Step, target: Target) -> Transition:
    """The state after this pass, as far as versions go."""
    now = situation.now
    state = situation.state.forgiving(target.version, target.since)
    state = importing.arrived(state, target, imported.record, situation.pods, now)
    if imported.given_up and state.candidate is not None and state.routes is not None:
        state = without_candidate(state, state.routes, now)
    moved = machine.advance(state, target, situation.pods, situation.replicas, now)
    return replace(moved, state=_told_anew(situation, moved.state))


def _told_anew(situation: Situation, after: DeploymentState) -> DeploymentState:
    """A revision of their own for limits, engine and bucket length where no other change is under way; and one above
    all that servers may have read where status is older than the ConfigMap (restored from a backup, for instance)."""
    before, told, now = situation.state, situation.told, situation.now
    if after.routes is None or before.routes is None or told is None:
        return after
    read = told.revision
    if read > before.routes.revision:
        return replace(after, routes=replace(after.routes, revision=read + 1, at=now))
    settled = after.routes.revision == before.routes.revision == read
    settings = routes_configmap.settings(situation.resource)
    if not settled or told.settings() == settings:
        return after
    return replace(after, routes=replace(after.routes, revision=read + 1, at=now))
