"""The status of a ModelDeployment whose spec cannot be honoured: it is told, and what serves goes on serving."""

from __future__ import annotations

from datetime import datetime

from ropewalk.core.conditions import Condition, clip, find, set_conditions
from ropewalk.core.plan import Json, Plan
from ropewalk_contract.api import conditions as api

from ..versions import get


def invalid(owner: Json, message: str, now: datetime) -> Plan:
    """The plan: the stored status with Stalled, and with Ready where nothing has ever been ready."""
    before = dict(owner.get("status") or {})
    stood = before.get("conditions") or ()
    generation = int(get(owner, "metadata", "generation") or 0)
    found = [Condition(api.STALLED, "True", api.INVALID_SPEC, message)]
    ready = find(stood, api.READY)
    if ready is None or ready.get("reason") == api.INVALID_SPEC:
        found.append(Condition(api.READY, "False", api.INVALID_SPEC, message))
    replaced = {one.type for one in found}
    conditions = [
        *(c for c in stood if c.get("type") not in replaced),
        *set_conditions(stood, found, generation=generation, now=now),
    ]
    summary = {**(before.get("summary") or {}), "message": clip(f"{api.INVALID_SPEC}: {message}", 512)}
    status_now = {**before, "conditions": conditions, "summary": summary, "observedGeneration": generation}
    return Plan(status=status_now)
