"""Who holds the title: a champion that a follower could not serve gives it back to the one before (D9).

Followers write nothing here: a ModelDeployment quarantines a version in its own status, and the Pipeline reads that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ropewalk.core.conditions import clip, parse_timestamp, timestamp
from ropewalk.core.objects import name_of
from ropewalk.core.plan import Event, Json
from ropewalk_contract import reasons

from ..state import PipelineState
from .outcome import promotion


def champion_fallback(
    owner: Json, state: PipelineState, peers: Iterable[Json], now: datetime
) -> tuple[PipelineState, tuple[Event, ...]]:
    """The ledger after followers' refusals. Without a former champion the title stays: there is nothing better.

    What a follower said before the promotion does not count: a person may have promoted the version once more.
    """
    champion = state.champion
    former = champion.get("replaced") if champion else None
    if champion is None or not isinstance(former, dict) or not former.get("version"):
        return state, ()
    for peer in peers:
        refusal = _refusal(owner, peer, champion)
        if refusal is not None:
            break
    else:
        return state, ()
    why = f"{refusal.get('reason') or reasons.QUARANTINED}: {refusal.get('message') or ''}".rstrip(": ")
    why = clip(why, 400)
    lost = f"version {champion['version']} could not be served by ModelDeployment {name_of(peer)} ({why})"
    regained = {**former, "promotedAt": timestamp(now), "reason": clip(f"regained the title: {lost}", 600)}
    text = (
        f"{lost}; version {former['version']} of {name_of(owner)} is the champion again; "
        f"to try version {champion['version']} once more: {promotion(owner, str(champion['version']))}"
    )
    return replace(state, champion=regained), (Event("Warning", reasons.TITLE_LOST, clip(text, 900)),)


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
