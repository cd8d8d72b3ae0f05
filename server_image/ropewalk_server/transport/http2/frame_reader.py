"""Received bytes to HTTP/2 frames. DATA is handed on in pieces as it arrives: no body is kept twice."""

from __future__ import annotations

from collections.abc import Callable

from ropewalk_server.transport.http2.frames import (
    DATA,
    DEFAULT_FRAME,
    END_STREAM,
    FRAME_HEAD,
    HEADERS,
    LARGEST_WINDOW,
    PADDED,
    PREFACE,
    ConnectionFault,
    Fault,
)

FRAME_BYTES = 1 << 20
"""The largest DATA frame that is taken; of every other kind, and of padded DATA, 16 KiB."""
AT_ONCE = 16
"""Calls that came together and are handed on in one go: the rest waits until others have had their turn."""


class FrameReader:
    """Calls `on_data(stream, piece, stream_ended)` and `on_frame(kind, flags, stream, payload)`, in order.

    Both may raise ConnectionFault; nothing may be fed after that. `waiting`: more than AT_ONCE calls came, and the rest
    of the bytes is to be asked for with `go_on`. `handed`: calls so far, where one that takes long counts for several.
    """

    __slots__ = ("_buffer", "_ends", "_left", "_need", "_on_data", "_on_frame", "_rest", "_stream", "handed", "waiting")

    def __init__(
        self, on_data: Callable[[int, bytes, bool], None], on_frame: Callable[[int, int, int, bytes], None]
    ) -> None:
        self._on_data = on_data
        self._on_frame = on_frame
        self._buffer = bytearray()
        self._need = -len(PREFACE)
        self._left = self._stream = self.handed = 0
        self._ends = self.waiting = False
        self._rest = b"", 0
        """Bytes that wait, and from where on."""

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and not ended, or the connection's preface is missing."""
        return bool(self._buffer) or self._left > 0 or self._need < 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises ConnectionFault."""
        if self.waiting:
            before, at = self._rest
            self._rest = before[at:] + data, 0
            return
        at = 0
        if self._left:
            at = min(self._left, len(data))
            self._left -= at
            self._on_data(self._stream, data[:at], self._ends and not self._left)
            if at == len(data):
                return
        if self._buffer or self._need < 0:
            self._buffer += data[at:]
            if len(self._buffer) < abs(self._need):
                return
            data, at = bytes(self._buffer), 0
            self._buffer.clear()
            if self._need < 0:
                at = -self._need
                if data[:at] != PREFACE:
                    raise ConnectionFault(Fault.PROTOCOL, "This port speaks gRPC: HTTP/2 with prior knowledge")
        self._cut(data, at)

    def go_on(self) -> None:
        """Take of the bytes that wait. Raises ConnectionFault."""
        self.waiting = False
        (data, at), self._rest = self._rest, (b"", 0)
        self._cut(data, at)

    def _cut(self, data: bytes, at: int) -> None:
        """The frames from `at` on, of AT_ONCE calls at most; what is left is kept."""
        size = len(data)
        self.handed = 0
        self._need = FRAME_HEAD.size
        while size - at >= FRAME_HEAD.size:
            high, low, kind, flags, stream = FRAME_HEAD.unpack_from(data, at)
            length = high << 8 | low
            start = at + FRAME_HEAD.size
            at = start + length
            stream &= LARGEST_WINDOW
            if kind == DATA and not flags & PADDED:
                if length > FRAME_BYTES:
                    raise ConnectionFault(Fault.FRAME_SIZE, f"A frame of {length} bytes, at most {FRAME_BYTES}")
                ends = bool(flags & END_STREAM)
                if at > size:
                    self._left, self._stream, self._ends = at - size, stream, ends
                    self._on_data(stream, data[start:], False)
                    return
                self._on_data(stream, data[start:at], ends)
                continue
            if length > DEFAULT_FRAME:
                raise ConnectionFault(Fault.FRAME_SIZE, f"A frame of {length} bytes, at most {DEFAULT_FRAME}")
            if at > size:
                at = start - FRAME_HEAD.size
                self._need = FRAME_HEAD.size + length
                break
            if kind == HEADERS:
                if self.handed >= AT_ONCE:
                    self._rest, self.waiting = (data, start - FRAME_HEAD.size), True
                    return
                self.handed += 1
            self._on_frame(kind, flags, stream, data[start:at])
        self._buffer += data[at:]
