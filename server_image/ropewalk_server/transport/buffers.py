"""Bodies that arrive, and their part of the memory that all connections of a port share.

Where that is full, a connection still has SHARE_BYTES: a few clients with large bodies, finished or not, cannot keep
the small requests of all others out. So a port holds max_buffered_bytes, and SHARE_BYTES for each connection, at most.
"""

from __future__ import annotations

from typing import Protocol

from ropewalk_server.transport.limits import Limits

SHARE_BYTES = 64 * 1024
JOINED_BYTES = 4096


class Port(Protocol):
    """The state that the connections of a port share; `buffered` is the sum of the bytes in their shares."""

    limits: Limits
    buffered: int


class Share:
    """The bytes of one connection: bodies that arrive, wait, or are being answered."""

    __slots__ = ("_port", "held")

    def __init__(self, port: Port) -> None:
        self._port = port
        self.held = 0

    def hold(self, size: int) -> None:
        """So many bytes more, or fewer."""
        self.held += size
        self._port.buffered += size

    def release(self, size: int) -> None:
        """So many bytes fewer."""
        self.hold(-size)

    @property
    def exceeded(self) -> bool:
        """Whether there is no room for what this connection holds."""
        return self.held > SHARE_BYTES and self._port.buffered > self._port.limits.max_buffered_bytes


def keep(pieces: list[bytes | bytearray], piece: bytes) -> None:
    """Append a piece. Small ones grow together: a list of pieces of 2 bytes takes 22 times as much as they have."""
    if not pieces or len(piece) >= JOINED_BYTES:
        pieces.append(piece)
        return
    last = pieces[-1]
    if not isinstance(last, bytearray):
        last = bytearray()
        pieces.append(last)
    last += piece


def whole(pieces: list[bytes | bytearray]) -> bytes:
    """All of them as one."""
    if len(pieces) == 1 and isinstance(pieces[0], bytes):
        return pieces[0]
    return b"".join(pieces)
