"""Recover: the store is looked through for runs and versions that an empty status has forgotten (D14)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ropewalk.core.conditions import parse_timestamp, timestamp
from ropewalk.core.jobs.helper_job import AGAIN_AFTER, FAILED
from ropewalk.core.objects import metadata, name_of
from ropewalk.core.plan import Json
from ropewalk_contract import reasons
from ropewalk_contract.documents.helper_job_result import MINE, Recovered, StoredVersion

from ..parts.planner import ADOPT_STORE
from ..situation import Situation
from ..state import PipelineState
from ..step import Step, recorded
from ..triggers.trigger import annotation
from .intent import begun
from .record import RECOVER

LOST_AFTER = timedelta(minutes=1)
"""A Pipeline that is younger has had no status to lose: its first run need not wait for a look at the store."""


def begin(situation: Situation, state: PipelineState) -> Step | None:
    """Record a Recover if one is due; wait while a failed one is to be repeated; else None."""
    if _is_due(situation, state):
        return recorded(begun(situation, state, RECOVER), "a Recover was recorded")
    wait = _wait(state, situation.now)
    return recorded(state, "a failed Recover is tried again", wait) if wait is not None else None


def recovered(situation: Situation, state: PipelineState, found: Recovered, peers: Iterable[Json]) -> PipelineState:
    """Run ids go on where they were; the champion is the version that followers serve, else the newest blessed one."""
    owner, now = situation.owner, situation.now
    adopted = state.adopted or annotation(owner, ADOPT_STORE) == "true"
    state = replace(state, adopted=adopted, last_run_id=max(state.last_run_id, found.last_run))
    if found.store != MINE or not found.versions:
        return state
    known = {int(entry.get("id") or 0) for entry in state.history}
    for version in reversed(found.versions):
        if version.run_id not in known:  # Ids are the keys of history, and a store may say one twice.
            known.add(version.run_id)
            state = state.with_history(_entry(version))
    served = {str((peer.get("status") or {}).get("live", {}).get("digest")) for peer in peers if _follows(peer, owner)}
    mine = [one for one in found.versions if one.digest in served]
    blessed = [
        one
        for one in found.versions
        if one.blessing == reasons.BLESSED_REASON and situation.spec.promotion == "Automatic"
    ]
    for version in [*mine, *blessed][:1]:
        champion = {**_kept(version), "runId": version.run_id}
        champion |= {"promotedAt": timestamp(now), "reason": "recovered from the store"}
        state = replace(state, champion=champion)
    return state


def _is_due(situation: Situation, state: PipelineState) -> bool:
    """True if status knows of no version although it may once have: lost, or of a store that is to be adopted."""
    owner, now = situation.owner, situation.now
    if state.champion or any(entry.get("version") for entry in state.history):
        return False
    last = state.helper_job
    if last is not None and last.type == RECOVER and last.state == FAILED:
        return _wait(state, now) is None
    if annotation(owner, ADOPT_STORE) == "true":
        return not state.adopted
    born = parse_timestamp(metadata(owner).get("creationTimestamp"))
    return not owner.get("status") and born is not None and now - born > LOST_AFTER


def _wait(state: PipelineState, now: datetime) -> float | None:
    """Seconds until a failed Recover is tried again; nothing is trained over a store that could not be read."""
    last = state.helper_job
    if last is None or last.type != RECOVER or last.state != FAILED or last.finished_at is None:
        return None
    return max(0.0, (last.finished_at + AGAIN_AFTER - now).total_seconds()) or None


def _follows(peer: Json, owner: Json) -> bool:
    model = (peer.get("spec") or {}).get("model") or {}
    return bool(model.get("pipeline") == name_of(owner) and not model.get("version"))


def _entry(version: StoredVersion) -> dict[str, Any]:
    return {"id": version.run_id, "result": "Succeeded", "reason": reasons.RECOVERED, **_kept(version)}


def _kept(version: StoredVersion) -> dict[str, Any]:
    document = version.document()
    fields = ("version", "uri", "digest", "manifestDigest", "dataFingerprint", "metrics", "engines")
    return {key: document[key] for key in fields if document[key]}
