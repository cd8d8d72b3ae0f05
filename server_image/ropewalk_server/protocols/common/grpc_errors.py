"""Refusals as gRPC errors, whether they come at once or later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ropewalk_server.serving.types import Refused
from ropewalk_server.transport.http2.rpc import Answer, Code, Reply

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


def answered(ask: Callable[[], Answer]) -> Answer:
    """The answer of `ask`, now or later, with a Refused turned into its error."""
    try:
        answer = ask()
    except Refused as why:
        return refusal(why.status, str(why))
    if isinstance(answer, Reply):
        return answer
    return asyncio.ensure_future(_later(answer))


async def _later(answer: asyncio.Future[Reply]) -> Reply:
    try:
        return await answer
    except Refused as why:
        return refusal(why.status, str(why))
