"""Types that pass between gRPC and the protocols above it: a call's message in, its reply or an error out.

A handler answers at once with a `Reply`, or later with a future of one. Codes and their meanings:
https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple


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
    kept: Mapping[bytes, bytes] = MappingProxyType({})
    """Values of the headers that the server was told to keep."""


class Reply(NamedTuple):
    """An answer, or where `code` is not OK an error with `words` for the client; `metadata` goes ahead of both."""

    message: bytes
    code: Code = Code.OK
    words: str = ""
    metadata: tuple[tuple[bytes, bytes], ...] = ()


Answer = Reply | asyncio.Future[Reply]
Handler = Callable[[Head, bytes], Answer]
"""Takes a call's head and its message."""


def failure(code: Code, words: str) -> Reply:
    """An error."""
    return Reply(b"", code, words)
