"""A client's side of an HTTP/1.1 connection without a socket, and requests as bytes."""

from __future__ import annotations

import asyncio
from typing import Any


class Wire(asyncio.Transport):
    """The other side of a connection without a socket: keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def write_eof(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def post(body: bytes, *more: bytes, path: bytes = b"/p") -> bytes:
    """A request with a stated length."""
    lines = [b"POST %b HTTP/1.1" % path, b"Host: a", b"Content-Length: %d" % len(body), *more]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
