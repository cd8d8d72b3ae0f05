"""The policy of computing requests together: spec.serving.batching of the ModelDeployment."""

from __future__ import annotations

from dataclasses import dataclass

from ropewalk_contract.documents.routes import AUTO, BOUNDED, OFF, Batching

__all__ = ["AUTO", "BOUNDED", "MOST_ROWS", "OFF", "BatchPolicy"]
MOST_ROWS = 1024
"""Of a call that is put together from several requests."""


@dataclass(frozen=True)
class BatchPolicy:
    """Auto: requests that wait anyway, where the engine gains by it. Off: every request is a call of its own. Bounded:
    at most so many rows in a call, for which a request waits so long."""

    type: str = AUTO
    most_rows: int = MOST_ROWS
    delay_seconds: float = 0.0

    @staticmethod
    def of(batching: Batching) -> BatchPolicy:
        """The policy that routes ask for."""
        if batching.type != BOUNDED:
            return BatchPolicy(batching.type)
        return BatchPolicy(BOUNDED, batching.max_rows, batching.max_delay_seconds)
