"""Answers on their way out, within the windows that a client grants (RFC 9113, 5.2)."""

from __future__ import annotations

from collections.abc import Iterator

from ropewalk_server.transport.http2.frames import (
    DATA,
    DEFAULT_FRAME,
    DEFAULT_TABLE,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEAD_BLOCK,
    HEADERS,
    LARGEST_WINDOW,
    MESSAGE_HEAD,
    ConnectionFault,
    Fault,
    error_block,
    frame,
    head_block,
    http_error_block,
    tail,
)
from ropewalk_server.transport.http2.rpc import Code, Reply

_NO_TABLE = b"\x20"
"""HPACK: from here on the table of our headers has size 0, as a client may ask for."""


class Waiting:
    """An answer that waits for the client's windows. `credit` is the stream's window beyond the initial one."""

    __slots__ = ("body", "credit", "since")

    def __init__(self, body: memoryview, credit: int, since: float) -> None:
        self.body, self.credit, self.since = body, credit, since


class Sender:
    """The frames to be written, `out`, and the answers that wait, by stream.

    `widened` tells that a window has grown since the last `move`, which costs as much as there are answers that wait:
    one of them is enough for all frames that came together.
    """

    __slots__ = ("_max_frame", "_prefix", "initial", "out", "waiting", "widened", "window")

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.waiting: dict[int, Waiting] = {}
        self.window = self.initial = DEFAULT_WINDOW
        self.widened = False
        self._max_frame = DEFAULT_FRAME
        self._prefix = b""

    def answer(self, stream: int, reply: Reply, credit: int, now: float) -> bool:
        """Send what may be sent; whether that was all of it."""
        if reply.code is not Code.OK:
            self._headers(stream, error_block(reply), END_STREAM)
            return True
        message = reply.message
        size = len(message) + MESSAGE_HEAD.size
        self._headers(stream, head_block(reply.metadata) if reply.metadata else HEAD_BLOCK, 0)
        body = MESSAGE_HEAD.pack(0, len(message)) + message
        if size <= self.window and size <= self.initial + credit and size <= self._max_frame and not self.waiting:
            self.window -= size
            self.out += (frame(DATA, 0, stream, body), tail(stream))
            return True
        # Those that wait already have sent what they may.
        one = Waiting(memoryview(body), credit, now)
        if not self.widened and self._part(stream, one):
            return True
        self.waiting[stream] = one
        return False

    def http_error(self, stream: int, status: int) -> None:
        """Answer a request that is not gRPC's."""
        self._headers(stream, http_error_block(status), END_STREAM)

    def _headers(self, stream: int, block: bytes, flags: int) -> None:
        if self._prefix:
            block, self._prefix = self._prefix + block, b""
        self.out.append(frame(HEADERS, flags | END_HEADERS, stream, block))

    def move(self) -> list[int]:
        """Send of what waits as much as the windows allow, the oldest first; the streams that are done."""
        self.widened = False
        done = []
        for stream, one in self.waiting.items():
            if self.window <= 0:
                break
            if self._part(stream, one):
                done.append(stream)
        for stream in done:
            del self.waiting[stream]
        return done

    def _part(self, stream: int, one: Waiting) -> bool:
        body = one.body
        sent = 0
        allowed = min(self.window, self.initial + one.credit)
        while sent < len(body) and sent < allowed:
            piece = body[sent : min(sent + self._max_frame, allowed)]
            self.out.append(frame(DATA, 0, stream, bytes(piece)))
            sent += len(piece)
        self.window -= sent
        one.credit -= sent
        one.body = body[sent:]
        if one.body:
            return False
        self.out.append(tail(stream))
        return True

    def forget(self, stream: int) -> None:
        """The client wants this answer no more."""
        self.waiting.pop(stream, None)

    def late(self, before: float) -> Iterator[int]:
        """Streams whose answers have waited since before then."""
        return (stream for stream, one in list(self.waiting.items()) if one.since < before)

    # What the client sets.

    def grant(self, more: int) -> None:
        """The connection's window grows. Raises ConnectionFault."""
        self.window += more
        if self.window > LARGEST_WINDOW:
            raise ConnectionFault(Fault.FLOW_CONTROL, "The window has grown beyond 2^31-1")
        self.widened = True

    def set_initial(self, value: int) -> None:
        """The initial window of all streams, open ones too. Raises ConnectionFault."""
        if value > LARGEST_WINDOW:
            raise ConnectionFault(Fault.FLOW_CONTROL, "SETTINGS_INITIAL_WINDOW_SIZE beyond 2^31-1")
        self.initial = value
        self.widened = True

    def set_max_frame(self, value: int) -> None:
        """The largest frame that the client takes. Raises ConnectionFault."""
        if not DEFAULT_FRAME <= value < 1 << 24:
            raise ConnectionFault(Fault.PROTOCOL, f"SETTINGS_MAX_FRAME_SIZE {value} is out of range")
        self._max_frame = value

    def set_table(self, value: int) -> None:
        """The size of the client's header table, which is not used here; a smaller one must be acknowledged."""
        if value < DEFAULT_TABLE:
            self._prefix = _NO_TABLE
