"""Conditions as Kubernetes means them: observations, each with the generation it was made for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from ropewalk_contract.documents.fields import clip as clip

from .plan import Json

Status = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One observation; `reason` is CamelCase and part of the API."""

    type: str
    status: Status
    reason: str
    message: str = ""


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds, as the API server writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(value: object) -> datetime | None:
    """An aware datetime, or None for anything that is not a time."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def set_conditions(
    previous: Iterable[Json], desired: Sequence[Condition], *, generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The whole list in the order of `desired`; `lastTransitionTime` moves only when `status` does."""
    before = {c.get("type"): c for c in previous if isinstance(c, dict)}
    result = []
    for condition in desired:
        old = before.get(condition.type)
        since = timestamp(now)
        if old is not None and old.get("status") == condition.status:
            since = old.get("lastTransitionTime") or since
        result.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": clip(condition.message),
                "observedGeneration": generation,
                "lastTransitionTime": since,
            }
        )
    return result


def find(conditions: object, kind: str) -> Json | None:
    """The condition of that type in a status that may be anything."""
    if not isinstance(conditions, (list, tuple)):
        return None
    return next((c for c in conditions if isinstance(c, dict) and c.get("type") == kind), None)
