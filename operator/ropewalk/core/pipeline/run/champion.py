"""The champion phase: a person promotes a version, and one that a follower could not serve is replaced again (D9).

Followers write nothing here: a ModelDeployment quarantines a version in its own status, and the Pipeline reads that.
"""

from __future__ import annotations

from dataclasses import replace

from ropewalk.core import names
from ropewalk.core.conditions import clip, parse_timestamp, timestamp
from ropewalk.core.objects import name_of
from ropewalk.core.plan import Event, Json
from ropewalk_contract import reasons
from ropewalk_contract.api import conditions as api

from ..situation import Situation
from ..state import PipelineState
from ..step import Step
from ..triggers.trigger import annotation

PROMOTE = f"{names.GROUP}/promote"
COPIED = ("version", "uri", "digest", "manifestDigest", "dataFingerprint", "metrics", "engines")


def chosen(situation: Situation, state: PipelineState) -> Step:
    """The champion after the annotation of a person and after followers' refusals."""
    by_hand = _by_hand(situation, state)
    back = _fallback(situation, by_hand.state)
    return Step(back.state, events=(*by_hand.events, *back.events))


def promoted(situation: Situation, state: PipelineState, entry: Json) -> Step:
    """The version of an entry of history is made the champion."""
    champion = {k: entry[k] for k in COPIED if entry.get(k)}
    champion |= {"promotedAt": timestamp(situation.now), "runId": entry["id"]}
    if state.champion:
        champion["replaced"] = {k: v for k, v in state.champion.items() if k not in ("replaced", "reason")}
    owner = situation.owner
    text = f"version {entry['version']} of {name_of(owner)} is the champion"
    named = annotation(owner, PROMOTE).partition("@")[0]
    if state.champion and named == str(state.champion.get("version")) != str(entry["version"]):
        text += f"; to have version {named} back: {promotion(owner, named)}"
    return Step(replace(state, champion=champion), events=(Event("Normal", api.PROMOTED, text),))


def awaiting(owner: Json, version: int) -> str:
    """The text that a version waits for a person, with the command that promotes it."""
    return f"version {version} awaits promotion: {promotion(owner, str(version))}"


def promotion(owner: Json, version: str) -> str:
    """The command that promotes a version, also one that the annotation names already."""
    named, _, count = annotation(owner, PROMOTE).partition("@")
    again = f"@{int(count) + 1 if count.isascii() and count.isdigit() else 2}" if named == version else ""
    return f"kubectl annotate --overwrite pipeline {name_of(owner)} {PROMOTE}={version}{again}"


def _by_hand(situation: Situation, state: PipelineState) -> Step:
    """Act on the annotation `ropewalk.dev/promote: "VERSION"`, once for each value it is given.

    A version that is promoted once more takes a new value, `VERSION@ANYTHING`: the same value again is no change. A
    version that is not there yet is refused once, and promoted when a run has made it.
    """
    wanted = annotation(situation.owner, PROMOTE)
    refused, before = clip(f"unknown: {wanted}", 256), state.handled_promotion
    if wanted == before:
        return Step(state)
    state = replace(state, handled_promotion=wanted)
    version = wanted.partition("@")[0]
    if not wanted or (state.champion and str(state.champion.get("version")) == version):
        return Step(state)
    entry = next((h for h in reversed(state.history) if h.get("uri") and str(h.get("version")) == version), None)
    if entry is not None:
        return promoted(situation, state, entry)
    state = replace(state, handled_promotion=refused)
    if before == refused:
        return Step(state)
    known = sorted({str(h["version"]) for h in state.history if h.get("version")}, key=int)
    text = f"{PROMOTE}={wanted!r} names no version of this Pipeline's history; there are {', '.join(known) or 'none'}"
    return Step(state, events=(Event("Warning", api.PROMOTION_REFUSED, text),))


def _fallback(situation: Situation, state: PipelineState) -> Step:
    """The former champion takes the place of one that a follower refuses; without a former one nothing changes.

    A refusal from before the promotion does not count: a person may have promoted the version once more.
    """
    owner, champion = situation.owner, state.champion
    former = champion.get("replaced") if champion else None
    if champion is None or not isinstance(former, dict) or not former.get("version"):
        return Step(state)
    for peer in situation.peers or ():
        refusal = _refusal(owner, peer, champion)
        if refusal is not None:
            break
    else:
        return Step(state)
    why = f"{refusal.get('reason') or reasons.QUARANTINED}: {refusal.get('message') or ''}".rstrip(": ")
    why = clip(why, 400)
    lost = f"version {champion['version']} could not be served by ModelDeployment {name_of(peer)} ({why})"
    reason = clip(f"regained the title: {lost}", 600)
    regained = {**former, "promotedAt": timestamp(situation.now), "reason": reason}
    text = (
        f"{lost}; version {former['version']} of {name_of(owner)} is the champion again; "
        f"to try version {champion['version']} once more: {promotion(owner, str(champion['version']))}"
    )
    event = Event("Warning", reasons.TITLE_LOST, clip(text, 900))
    return Step(replace(state, champion=regained), events=(event,))


def _refusal(owner: Json, peer: Json, champion: Json) -> Json | None:
    """The entry under which a follower refuses the champion since it was promoted."""
    model = (peer.get("spec") or {}).get("model") or {}
    if model.get("pipeline") != name_of(owner) or model.get("version"):
        return None
    promoted = parse_timestamp(champion.get("promotedAt"))
    for entry in (peer.get("status") or {}).get("quarantined") or ():
        same = entry.get("digest") == champion.get("digest") and entry.get("version") == champion.get("version")
        at = parse_timestamp(entry.get("at"))
        if same and at is not None and (promoted is None or at >= promoted):
            return dict(entry)
    return None
