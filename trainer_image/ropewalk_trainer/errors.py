"""Failures with a name: reason and message for status, and the exit code that decides about another attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ropewalk_contract import reasons, wire


class RunFailure(Exception):
    """A run cannot go on. `reason` is CamelCase; the message names the thing, the value and the remedy."""

    exit_code = wire.EXIT_UNKNOWN

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class UserError(RunFailure):
    """The spec asks for something impossible; another attempt would fail alike."""

    exit_code = wire.EXIT_USER


class InvalidSpec(UserError):
    """A field of the spec has a value that this code cannot honour."""

    def __init__(self, field: str, value: Any, remedy: str) -> None:
        super().__init__(reasons.INVALID_SPEC, f"{field} is {value!r}: {remedy}")


class DataError(RunFailure):
    """The data is not what the spec promises; another attempt would fail alike."""

    exit_code = wire.EXIT_DATA


class TryAgain(RunFailure):
    """The surroundings failed (preempted, store not reachable)."""

    exit_code = wire.EXIT_AGAIN


PASSED_ON = (RunFailure, MemoryError, OSError)
"""What is not about the thing at hand, wherever it surfaces: the pod is told to stop, memory or the store fails."""


@dataclass(frozen=True)
class Anomaly:
    """Something about the data that the schema does not allow. `share` is of all rows."""

    feature: str
    reason: str
    count: int
    share: float
    example: str | None = None

    def document(self) -> dict[str, Any]:
        """The JSON form; decimals are strings."""
        return {
            "feature": self.feature,
            "reason": self.reason,
            "count": self.count,
            "share": f"{self.share:.4g}",
            "example": self.example,
        }

    @staticmethod
    def from_document(document: dict[str, Any]) -> Anomaly:
        """Inverse of `document`."""
        return Anomaly(
            feature=document["feature"],
            reason=document["reason"],
            count=int(document["count"]),
            share=float(document["share"]),
            example=document["example"],
        )

    def sentence(self) -> str:
        """For people."""
        if self.reason in (reasons.MIN_ROWS, reasons.ROWS_CHANGED):
            return f"{self.reason}: {self.example}"
        shown = "" if self.example is None else f", for example {self.example!r}"
        rows = f"{self.count} rows ({self.share:.1%})" if self.count else "the source"
        return f"{self.feature or 'lines'}: {self.reason} in {rows}{shown}"


class AnomalousData(DataError):
    """Anomalies that the spec does not tolerate; the first gives the reason."""

    def __init__(self, anomalies: Sequence[Anomaly], remedy: str) -> None:
        more = f" (and {len(anomalies) - 1} more anomalies)" if len(anomalies) > 1 else ""
        super().__init__(anomalies[0].reason, f"{anomalies[0].sentence()}{more}; {remedy}")
        self.anomalies = tuple(anomalies)
