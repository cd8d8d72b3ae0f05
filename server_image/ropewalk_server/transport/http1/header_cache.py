"""Request heads that were read before: a client sends the same bytes again and again, and what they mean with them.

A head stands here only after the parser read exactly these bytes twice, on whatever connections, from a message's
start, as a complete request whose body has a stated length, with nothing about it that matters beyond the request
itself. Looking one up takes 0.3 us, parsing it 5 us. Heads that never come again, with a trace or an id of their own,
push nothing out. Of a head with credentials only the digest is kept (designs/0010-who-may-ask.md): 2 us.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from ropewalk_server.transport.http1.types import Request

MAX_HEADS = 512
MAX_BYTES = 1024
MAX_ONCE = 8 * MAX_HEADS
_END = b"\r\n\r\n"
SECRET = b"authorization"


class Head(NamedTuple):
    """A parsed head; `length` is that of the body."""

    method: bytes
    path: bytes
    headers: Mapping[bytes, bytes]
    length: int
    query: bytes = b""


class Guarded(NamedTuple):
    """A head but for its credentials, which stand from `start` to `end` in its bytes."""

    head: Head
    start: int
    end: int

    def of(self, data: bytes) -> Head:
        """The head that these bytes are."""
        return self.head._replace(headers={**self.head.headers, SECRET: data[self.start : self.end]})


class Heads:
    """The heads of one port's clients: at most MAX_HEADS of MAX_BYTES, all forgotten when there are more."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}
        self._guarded: dict[bytes, Guarded] = {}
        self._once: set[int] = set()

    def request(self, data: bytes, max_body_bytes: int) -> Request | None:
        """The request that `data` is, all of it; None if its head was not seen before or its body is not whole."""
        end = data.find(_END, 0, MAX_BYTES) + 4
        sent = data[:end]
        head = self._known.get(sent)
        if head is None:
            guarded = self._guarded.get(_digest(sent)) if self._guarded else None
            if guarded is None:
                return None
            head = guarded.of(sent)
        if end + head.length != len(data) or head.length > max_body_bytes:
            return None
        return Request(head.method, head.path, data[end:], head.headers, head.query)

    def learn(self, data: bytes, head: Head) -> None:
        """Remember the head of `data`, which the parser read as one whole request and nothing else, if it has come
        before."""
        end = data.find(_END, 0, MAX_BYTES) + 4
        if end < 4 or end + head.length != len(data):
            return  # too long, or it ends where the parser says and not where this would
        sent = data[:end]
        seen = hash(sent)
        if seen not in self._once:
            if len(self._once) >= MAX_ONCE:
                self._once.clear()
            self._once.add(seen)
            return
        secret = head.headers.get(SECRET)
        if secret is None:
            _add(self._known, sent, head)
        else:
            # Where these bytes first stand in the head, they are the value whoever wrote them there.
            start = sent.find(secret)
            rest = {name: value for name, value in head.headers.items() if name != SECRET}
            _add(self._guarded, _digest(sent), Guarded(head._replace(headers=rest), start, start + len(secret)))


def _digest(head: bytes) -> bytes:
    return hashlib.sha256(head).digest()


def _add(known: dict[bytes, Any], key: bytes, value: Head | Guarded) -> None:
    if len(known) >= MAX_HEADS:
        known.clear()
    known[key] = value
