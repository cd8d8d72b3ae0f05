"""The policy of computing requests together: spec.serving.batching of the ModelDeployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MOST_ROWS = 1024
"""Of a call that is put together from several requests."""
AUTO, OFF, BOUNDED = "Auto", "Off", "Bounded"


@dataclass(frozen=True)
class BatchPolicy:
    """Auto: requests that wait anyway, where the engine gains by it. Off: every request is a call of its own. Bounded:
    at most so many rows in a call, for which a request waits so long."""

    type: str = AUTO
    most_rows: int = MOST_ROWS
    delay_seconds: float = 0.0

    @staticmethod
    def from_document(document: dict[str, Any]) -> BatchPolicy:
        """Read `batching` of routes.json. Raises ValueError."""
        kind = str(document.get("type", AUTO))
        if kind in (AUTO, OFF):
            return BatchPolicy(kind)
        found = BatchPolicy(kind, int(document["maxRows"]), float(document["maxDelaySeconds"]))
        if kind != BOUNDED or found.most_rows < 1 or not 0 <= found.delay_seconds <= 3600:
            raise ValueError(f"batching cannot be {document!r}")
        return found
