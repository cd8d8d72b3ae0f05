"""Bounds on each client, so that no request can take the server from the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

REASONS = (
    "body_bytes", "buffered_bytes", "concurrency", "connections", "content_encoding", "deadline", "flood", "forbidden",
    "header_bytes", "json_depth", "malformed", "receive_time", "rows", "streams", "unauthenticated", "unauthorized",
)  # fmt: skip
"""Reasons of a refusal: the values of `reason` of ropewalk_server_rejected_total, each there from the start."""


@dataclass(frozen=True)
class Limits:
    """Bounds of a request; the first four come from the ModelDeployment through the routes file."""

    max_body_bytes: int = 4 * 1024 * 1024
    max_rows: int = 10_000
    deadline_seconds: float = 30.0
    max_concurrency: int = 256
    """Of requests for a slow model: those that are computed, and the queue before it."""
    max_header_bytes: int = 16 * 1024
    header_seconds: float = 10.0
    idle_seconds: float = 75.0
    max_connections: int = 1024
    max_streams: int = 256
    """Calls at once on one HTTP/2 connection."""
    max_json_depth: int = 32

    @property
    def max_buffered_bytes(self) -> int:
        """Bodies of all connections together: otherwise 1,024 clients of 4 MiB each take 4 GiB. And the rows of one
        request, unpacked and encoded."""
        return max(64 * 1024 * 1024, 4 * self.max_body_bytes)

    @staticmethod
    def from_document(document: dict[str, Any]) -> Limits:
        """Read `limits` of routes.json; absent keys keep their defaults. Raises ValueError."""
        default = Limits()
        found = Limits(
            max_body_bytes=int(document.get("maxBodyBytes", default.max_body_bytes)),
            max_rows=int(document.get("maxRows", default.max_rows)),
            deadline_seconds=float(document.get("deadlineSeconds", default.deadline_seconds)),
            max_concurrency=int(document.get("maxConcurrency", default.max_concurrency)),
        )
        if min(found.max_body_bytes, found.max_rows, found.max_concurrency) < 1 or found.deadline_seconds <= 0:
            raise ValueError("limits must be positive")
        return found
