"""The record of the import of a SavedModel that has no manifest (`status.imported`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ropewalk.core.conditions import parse_timestamp, timestamp
from ropewalk.core.jobs.helper_job import FAILED, RUNNING, SUCCEEDED

from ..versions import Version, get


@dataclass(frozen=True, slots=True)
class Import:
    """One import, from its intent to its result."""

    id: int
    uri: str
    digest: str
    state: str
    started_at: datetime
    finished_at: datetime | None = None
    reason: str = ""
    message: str = ""
    waiting: str = ""
    """Why its pod does not run although it should."""
    final: bool = False
    """It failed for a reason that another try would find again."""
    version: Version | None = None
    """The version that servers load in place of the model at `uri`."""
    engines: tuple[str, ...] = ()

    def is_of(self, uri: str | None, digest: str | None) -> bool:
        """True if it is an import of the model that the spec names."""
        return (self.uri, self.digest) == (uri, digest)

    def document(self) -> dict[str, Any]:
        """As status keeps it."""
        found = {
            "id": self.id,
            "uri": self.uri,
            "digest": self.digest,
            "state": self.state,
            "startedAt": timestamp(self.started_at),
            "finishedAt": timestamp(self.finished_at) if self.finished_at else None,
            "reason": self.reason,
            "message": self.message,
            "waiting": self.waiting,
            "final": self.final,
            "version": self.version.document() if self.version else None,
            "engines": list(self.engines),
        }
        return {key: value for key, value in found.items() if value}


def read(found: object) -> Import | None:
    """Inverse of `document`; None for anything else."""
    started = parse_timestamp(get(found, "startedAt"))
    if not isinstance(found, dict) or started is None or found.get("state") not in (RUNNING, SUCCEEDED, FAILED):
        return None
    version = Version.from_document(found.get("version"))
    if found["state"] == SUCCEEDED and version is None:
        return None
    return Import(
        id=int(found.get("id") or 1),
        uri=str(found.get("uri") or ""),
        digest=str(found.get("digest") or ""),
        state=str(found["state"]),
        started_at=started,
        finished_at=parse_timestamp(found.get("finishedAt")),
        reason=str(found.get("reason") or ""),
        message=str(found.get("message") or ""),
        waiting=str(found.get("waiting") or ""),
        final=found.get("final") is True,
        version=version,
        engines=tuple(str(one) for one in found.get("engines") or ()),
    )
