"""Bounds on each client, so that no request can take the server from the others."""

from __future__ import annotations

from dataclasses import dataclass

from ropewalk_contract.documents.routes import RequestLimits

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
    def of(limits: RequestLimits) -> Limits:
        """The limits that routes ask for, with this server's own."""
        return Limits(limits.max_body_bytes, limits.max_rows, limits.deadline_seconds, limits.max_concurrency)
