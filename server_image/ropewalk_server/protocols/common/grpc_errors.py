"""Refusals as gRPC errors."""

from __future__ import annotations

from ropewalk_server.transport.http2.rpc import Code, Reply

_BY_STATUS = {
    400: Code.INVALID_ARGUMENT,
    404: Code.NOT_FOUND,
    413: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    500: Code.INTERNAL,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}


def refusal(status: int, words: str) -> Reply:
    """An error of the predictor or a decoder, from its HTTP status."""
    return Reply(b"", _BY_STATUS.get(status, Code.UNKNOWN), words)
