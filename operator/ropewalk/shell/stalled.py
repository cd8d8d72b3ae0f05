"""What the API server will not have, told in the status of the resource that wants it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ropewalk_contract.api import conditions as api

from ..core.conditions import Condition, set_conditions
from ..core.plan import Json


class Refusal(NamedTuple):
    """What cannot be written until somebody changes something: the condition's reason and its message."""

    reason: str
    message: str


def stalled(before: Json, status: Json, why: Refusal, generation: int, now: datetime) -> dict[str, Any]:
    """The status with what cannot be written, where `kubectl get` and `kubectl wait` show it; `before` is stored."""
    rest = [dict(c) for c in status.get("conditions") or () if c.get("type") != api.STALLED]
    found = [Condition(api.STALLED, "True", why.reason, why.message)]
    new = set_conditions(before.get("conditions") or (), found, generation=generation, now=now)
    summary = {**(status.get("summary") or {}), "message": why.message[:512]}
    return {**status, "conditions": rest + new, "summary": summary}


def without_nulls(value: Any) -> Any:
    """What the API server would store: a null in a mapping is a field that is absent."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [without_nulls(item) for item in value]
    return value
