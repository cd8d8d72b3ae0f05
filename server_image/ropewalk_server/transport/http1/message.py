"""A request while it arrives: what of its head matters, and the pieces of its body."""

from __future__ import annotations

from collections.abc import Set

from ropewalk_server.transport.buffers import keep, whole
from ropewalk_server.transport.http1.header_cache import Head
from ropewalk_server.transport.http1.types import Request, origin_form, path_of, query_of

PER_HEADER = 4
"""Colon, space and the line's end, which a header's size counts as well."""
MOST_CRUMBS, CRUMB = 1024, 16
"""Chunks that may be as small as they like, and the bytes that more of them have on average."""
_ENCODING, _TRANSFER, _EXPECT, _LENGTH = b"content-encoding", b"transfer-encoding", b"expect", b"content-length"
READ_SIZES = frozenset(map(len, (_ENCODING, _TRANSFER, _EXPECT, _LENGTH)))
"""Of the names that are looked at whatever the handler wants: most are told by their length to be none of them."""


class Message:
    """The parts of one request that the parser has found so far. `size` is that of the body, `head_size` of the head
    and of what stands behind the body; `parts` are those that the body came in."""

    __slots__ = ("encoding", "expect", "head_size", "headers", "length", "parts", "pieces", "size", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        self.encoding = b""
        self.expect = False
        self.length = 0
        """Of the body, as far as the head says; -1 where it says what cannot be."""
        self.pieces: list[bytes | bytearray] = []
        self.size = self.head_size = self.parts = 0

    def add_url(self, part: bytes) -> None:
        """More of the target."""
        self.url += part
        self.head_size += len(part)

    def add_header(self, name: bytes, value: bytes, kept: Set[bytes]) -> None:
        """A header by its lower-case name: those that are `kept`, and what changes how a body is read; framing is the
        parser's."""
        if name in kept:
            self.headers[name] = value
        elif name == _ENCODING:
            self.encoding = value.lower()
        elif name == _TRANSFER and value.lower() != b"chunked":
            self.encoding = value
        elif name == _EXPECT:
            self.expect = value.lower() == b"100-continue"
        elif name == _LENGTH and value.isdigit():
            self.length = int(value) if len(value) <= 18 else -1

    def add_piece(self, data: bytes) -> None:
        """More of the body."""
        keep(self.pieces, data)
        self.size += len(data)
        self.parts += 1

    @property
    def in_crumbs(self) -> bool:
        """Whether the body comes in so many and so small chunks that reading them is an attack: 256 KB of chunks of a
        byte each took the loop 0.4 s."""
        return self.parts > MOST_CRUMBS and self.size < CRUMB * self.parts

    def head(self, method: bytes) -> Head:
        """The head alone."""
        url = origin_form(self.url)
        return Head(method, path_of(url), self.headers, self.length, query_of(url))

    def request(self, method: bytes) -> Request:
        """The whole."""
        url = origin_form(self.url)
        return Request(method, path_of(url), whole(self.pieces), self.headers, query_of(url))
