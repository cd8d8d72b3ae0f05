"""What passes between HTTP and the protocols above it: requests, responses, handlers.

A handler answers at once with a `Response`, or later with a future of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"

NO_HEADERS: Mapping[bytes, bytes] = MappingProxyType({})


class Request(NamedTuple):
    """A complete request; `path` has no query string."""

    method: bytes
    path: bytes
    body: bytes
    headers: Mapping[bytes, bytes] = NO_HEADERS
    """By lower-case name; those that the server was told to keep."""

    @property
    def shown(self) -> str:
        """Method and path for an error message, bounded."""
        return f"{self.method.decode('latin-1')[:20]} {self.path.decode('latin-1')[:200]}"


class Response(NamedTuple):
    """An answer; `headers` are names and values, added to content-type and content-length."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


Answer = Response | asyncio.Future[Response]
Handler = Callable[[Request], Answer]
ErrorForm = Callable[[int, str], Response]
