"""A request while it arrives: what of its head matters, and the pieces of its body."""

from __future__ import annotations

from collections.abc import Set

from ropewalk_server.bodies import keep, whole
from ropewalk_server.http import Request, path_of
from ropewalk_server.http_heads import Head

_PER_HEADER = 4
"""Colon, space and the line's end, which a header's size counts as well."""


class Message:
    """What the parser has handed out of one request so far. `size` is that of the body, `head_size` of the head."""

    __slots__ = ("encoding", "expect", "head_size", "headers", "length", "pieces", "size", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        self.encoding = b""
        self.expect = False
        self.length = 0
        """Of the body, as far as the head says; -1 where it says what cannot be."""
        self.pieces: list[bytes | bytearray] = []
        self.size = self.head_size = 0

    def add_url(self, part: bytes) -> None:
        """More of the target."""
        self.url += part
        self.head_size += len(part)

    def add_header(self, name: bytes, value: bytes, kept: Set[bytes]) -> None:
        """A header: those whose names are `kept`, and what changes how a body is read; framing is the parser's."""
        size = len(name)
        self.head_size += size + len(value) + _PER_HEADER
        lower = name.lower()
        if lower in kept:
            self.headers[lower] = value
        elif size == 16 and lower == b"content-encoding":
            self.encoding = value.lower()
        elif size == 6 and lower == b"expect":
            self.expect = value.lower() == b"100-continue"
        elif size == 14 and lower == b"content-length" and value.isdigit():
            self.length = int(value) if len(value) <= 18 else -1

    def add_piece(self, data: bytes) -> None:
        """More of the body."""
        keep(self.pieces, data)
        self.size += len(data)

    def head(self, method: bytes) -> Head:
        """The head alone."""
        return Head(method, path_of(self.url), self.headers, self.length)

    def request(self, method: bytes) -> Request:
        """The whole."""
        return Request(method, path_of(self.url), whole(self.pieces), self.headers)
