"""Types that pass between HTTP and the protocols above it: requests, responses, handlers.

A handler answers at once with a `Response`, or later with a future of one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"

REASONS = {
    200: b"OK", 400: b"Bad Request", 401: b"Unauthorized", 403: b"Forbidden", 404: b"Not Found",
    405: b"Method Not Allowed", 408: b"Request Timeout", 413: b"Content Too Large", 415: b"Unsupported Media Type",
    429: b"Too Many Requests", 431: b"Request Header Fields Too Large", 500: b"Internal Server Error",
    503: b"Service Unavailable", 504: b"Gateway Timeout",
}  # fmt: skip
_AGAIN = {429: b"retry-after: 1\r\n", 503: b"retry-after: 1\r\n"}
"""Statuses that may pass in a moment: a client that is told when to come again does not come at once."""
_HEAD = {
    status: b"HTTP/1.1 %d %b\r\n%b" % (status, reason, _AGAIN.get(status, b"")) for status, reason in REASONS.items()
}

NO_HEADERS: Mapping[bytes, bytes] = MappingProxyType({})


class Request(NamedTuple):
    """A complete request; `path` has no query string."""

    method: bytes
    path: bytes
    body: bytes
    headers: Mapping[bytes, bytes] = NO_HEADERS
    """By lower-case name; those that the server was told to keep."""
    query: bytes = b""

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


_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)


def origin_form(target: bytes) -> bytes:
    """A request's target without scheme and authority, if it has them (RFC 9112, 3.2.2); who is meant is ignored, as in
    the header Host."""
    found = None if target[:1] == b"/" else _ABSOLUTE.match(target)
    if found is None:
        return target
    rest = target[found.end() :]
    return rest if rest[:1] == b"/" else b"/" + rest


def path_of(url: bytes) -> bytes:
    """A request's target without its query."""
    mark = url.find(b"?")
    return url if mark < 0 else url[:mark]


def matched(pattern: re.Pattern[str], path: bytes) -> re.Match[str] | None:
    """The whole path as the pattern has it; None where it is another, or no ASCII."""
    return pattern.fullmatch(path.decode("ascii")) if path.isascii() else None


def query_of(url: bytes) -> bytes:
    """The query of a request's target, without the question mark."""
    mark = url.find(b"?")
    return b"" if mark < 0 else url[mark + 1 :]


def encode(response: Response, *, keep_alive: bool = True, head_only: bool = False) -> bytes:
    """The bytes of HTTP/1.1; for a HEAD request all but the body."""
    status, body, content_type, headers = response
    head = b"%bcontent-type: %b\r\ncontent-length: %d\r\n" % (_HEAD[status], content_type, len(body))
    for name, value in headers:
        head += b"%b: %b\r\n" % (name, value)
    return b"%b%b%b" % (head, b"\r\n" if keep_alive else b"connection: close\r\n\r\n", b"" if head_only else body)
