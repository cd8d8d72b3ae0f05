"""What is remembered of the latest errand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..conditions import parse_timestamp, timestamp

RECOVER, SWEEP = "Recover", "Sweep"
RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"


@dataclass(frozen=True, slots=True)
class Errand:
    """One errand, from its intent to its result."""

    id: int
    type: str
    state: str
    started_at: datetime
    finished_at: datetime | None = None
    message: str = ""

    @property
    def active(self) -> bool:
        """Its Job is to be made or works."""
        return self.state == RUNNING

    def document(self) -> dict[str, Any]:
        """As `status.errand`."""
        found = {
            "id": self.id,
            "type": self.type,
            "state": self.state,
            "startedAt": timestamp(self.started_at),
            "finishedAt": timestamp(self.finished_at) if self.finished_at else None,
            "message": self.message,
        }
        return {key: value for key, value in found.items() if value}

    @staticmethod
    def from_document(found: object) -> Errand | None:
        """Inverse of `document`; None for anything else."""
        if not isinstance(found, dict):
            return None
        started = parse_timestamp(found.get("startedAt"))
        if started is None or found.get("type") not in (RECOVER, SWEEP):
            return None
        ended, state = parse_timestamp(found.get("finishedAt")), str(found.get("state") or RUNNING)
        return Errand(int(found.get("id") or 1), found["type"], state, started, ended, str(found.get("message") or ""))
