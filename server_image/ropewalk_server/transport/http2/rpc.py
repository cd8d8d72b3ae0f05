"""What passes between gRPC and the protocols above it: a call's message in, its reply or an error out.

A handler answers at once with a `Reply`, or later with a future of one. Codes and their meanings:
https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from ropewalk_server.serving.predictor import Refused


class Code(IntEnum):
    """The status codes that this server answers with."""

    OK = 0
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class Head(NamedTuple):
    """A call's headers, as far as they matter. `path` is `/package.Service/Method`, `timeout` in seconds, `length` the
    bytes that will follow if the client says so.

    A request that is not gRPC's has the HTTP `status` that it is answered with; no handler sees it.
    """

    path: bytes
    timeout: float | None = None
    authorization: bytes | None = None
    length: int | None = None
    status: int = 0
    traceparent: bytes | None = None
    receipts: bool = False
    """Whether a receipt is wanted for each row."""


class Reply(NamedTuple):
    """An answer, or where `code` is not OK an error with `words` for the client; `metadata` goes ahead of both."""

    message: bytes
    code: Code = Code.OK
    words: str = ""
    metadata: tuple[tuple[bytes, bytes], ...] = ()


Answer = Reply | asyncio.Future[Reply]
Handler = Callable[[Head, bytes], Answer]
"""Takes a call's head and its message."""

_BY_STATUS = {
    400: Code.INVALID_ARGUMENT,
    404: Code.NOT_FOUND,
    413: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    500: Code.INTERNAL,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}


def failure(code: Code, words: str) -> Reply:
    """An error."""
    return Reply(b"", code, words)


def refusal(status: int, words: str) -> Reply:
    """An error of the predictor or a decoder, from its HTTP status."""
    return Reply(b"", _BY_STATUS.get(status, Code.UNKNOWN), words)


def answered(ask: Callable[[], Answer]) -> Answer:
    """What `ask` answers, now or later, with a Refused turned into its error."""
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
