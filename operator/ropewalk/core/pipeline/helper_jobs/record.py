"""What is remembered of the latest helper job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ropewalk.core.conditions import parse_timestamp, timestamp
from ropewalk.core.jobs.helper_job import FAILED, RUNNING
from ropewalk_contract.documents.helper_job import RECOVER, SWEEP

__all__ = ["RECOVER", "SWEEP", "HelperJob"]


@dataclass(frozen=True, slots=True)
class HelperJob:
    """One helper job, from its intent to its result."""

    id: int
    type: str
    state: str
    started_at: datetime
    finished_at: datetime | None = None
    message: str = ""
    waiting: str = ""
    """Why its pod does not run although it should: ImagePullBackOff, Unschedulable, VolumeNotFound, ..."""

    @property
    def active(self) -> bool:
        """Its Job is to be made or works."""
        return self.state == RUNNING

    @property
    def obstacle(self) -> str:
        """What keeps everything else from starting, in words; empty while nothing does, or nobody need know."""
        if self.state == FAILED and self.type == RECOVER:
            return f"the store could not be looked through, which is tried again every minute: {self.message}"
        if not self.active:
            return ""
        if self.waiting:
            return f"{self.type} of the store cannot start: {self.waiting}: {self.message}"
        return "the store is looked through for what status has forgotten" if self.type == RECOVER else ""

    def document(self) -> dict[str, Any]:
        """As `status.errand`."""
        found = {
            "id": self.id,
            "type": self.type,
            "state": self.state,
            "startedAt": timestamp(self.started_at),
            "finishedAt": timestamp(self.finished_at) if self.finished_at else None,
            "message": self.message,
            "waiting": self.waiting,
        }
        return {key: value for key, value in found.items() if value}

    @staticmethod
    def from_document(found: object) -> HelperJob | None:
        """Inverse of `document`; None for anything else."""
        if not isinstance(found, dict):
            return None
        started = parse_timestamp(found.get("startedAt"))
        if started is None or found.get("type") not in (RECOVER, SWEEP):
            return None
        return HelperJob(
            id=int(found.get("id") or 1),
            type=found["type"],
            state=str(found.get("state") or RUNNING),
            started_at=started,
            finished_at=parse_timestamp(found.get("finishedAt")),
            message=str(found.get("message") or ""),
            waiting=str(found.get("waiting") or ""),
        )
