"""One gRPC client's HTTP/2 connection: its frames, and a bound for everything that it sends.

grpc.aio takes 240 us of processor time for an empty call, the h2 library 110, this file and its neighbours 15, and a
network of 10 inputs answers in 2 (designs/0009-grpc-without-grpcio.md). Header compression is a library's, hpack.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ropewalk_server.transport.http2 import frames as h2
from ropewalk_server.transport.http2.flow_control import Sender
from ropewalk_server.transport.http2.frame_reader import FRAME_BYTES, FrameReader
from ropewalk_server.transport.http2.frames import ConnectionFault, Fault
from ropewalk_server.transport.http2.header_cache import Heads
from ropewalk_server.transport.http2.rpc import Head
from ropewalk_server.transport.http2.streams import Streams

if TYPE_CHECKING:
    from ropewalk_server.transport.http2.server import GrpcServer

_CREDIT = 1000
"""Frames that a client may send beyond its calls, like PING, and settings in them; each answer and each sweep gives
some back."""
_CREDIT_AN_ANSWER = 20
_CREDIT_A_SWEEP = 100
_DECODING = 3
"""Calls that are as much work as it may be to decode a head, 3 ms where it has four hundred fields."""


class Connection(asyncio.Protocol):
    """One client. `seen` is when it last sent anything (monotonic seconds); `behind`: what is taken now came before."""

    __slots__ = (
        "_block", "_calls", "_credit", "_due", "_ending", "_heads", "_patience", "_paused", "_reader", "_sender",
        "_transport", "behind", "clock", "loop", "seen", "server",
    )  # fmt: skip

    def __init__(self, server: GrpcServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.loop = loop
        self.clock = time.monotonic
        self.seen = self.clock()
        self._transport: asyncio.Transport
        self._sender = Sender()
        self._calls = Streams(self, self._sender)
        self._reader = FrameReader(self._on_data, self._on_frame)
        self._heads = Heads(server.limits.max_header_bytes, server.rejected, server.keep)
        self._block: tuple[int, int, bytes] | None = None
        self._credit = _CREDIT
        self._patience = self.seen + server.limits.header_seconds
        self._paused = self._ending = self._due = self.behind = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        limits = self.server.limits
        values = {h2.MAX_STREAMS: limits.max_streams, h2.INITIAL_WINDOW: h2.LARGEST_WINDOW, h2.MAX_FRAME: FRAME_BYTES}
        values[h2.MAX_HEADERS] = limits.max_header_bytes
        self._sender.out += (h2.settings(values), h2.window_update(0, h2.LARGEST_WINDOW - h2.DEFAULT_WINDOW))
        self.server.connections.add(self)
        if len(self.server.connections) > limits.max_connections:
            self.server.rejected("connections")
            self._end(Fault.REFUSED, "Too many connections")
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ending = True
        self.server.connections.discard(self)
        for number in list(self._calls.streams):
            self._calls.forget(number)

    def pause_writing(self) -> None:
        self._paused = True
        self._transport.pause_reading()
        self._patience = self.clock() + self.server.limits.deadline_seconds

    def resume_writing(self) -> None:
        self._paused = False
        self._later()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self.seen = self.clock()
        try:
            self._reader.feed(data)
        except ConnectionFault as why:
            self._end(why.fault, str(why))
        self.flush()
        if self._reader.waiting:
            self._transport.pause_reading()
            self._later()

    def _later(self) -> None:
        """Go on when others have had their turn."""
        if not self._due:
            self._due = True
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Take of what has been read already; when nothing of it is left, read again."""
        self._due = False
        if self._paused or self._transport.is_closing():
            return
        if self._reader.waiting and not self._ending:
            self.behind = True
            try:
                self._reader.go_on()
            except ConnectionFault as why:
                self._end(why.fault, str(why))
            self.behind = False
            self.flush()
        if self._reader.waiting and not self._ending:
            self._later()
        elif not self._paused:
            self._transport.resume_reading()

    # What the reader calls.

    def _on_data(self, number: int, piece: bytes, ended: bool) -> None:
        if self._block is not None:
            raise ConnectionFault(Fault.PROTOCOL, "A header block is not continued")
        self._calls.on_data(number, piece, ended)

    def _on_frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if (kind == h2.CONTINUATION) != (self._block is not None):
            raise ConnectionFault(Fault.PROTOCOL, "A header block is not continued, or nothing is")
        if kind == h2.HEADERS:
            self._on_headers(flags, number, payload)
            return
        if kind == h2.CONTINUATION:
            self._on_continuation(flags, number, payload)
        self.spend()
        if kind == h2.DATA:
            self._calls.on_data(number, _unpadded(payload), bool(flags & h2.END_STREAM))
        elif kind == h2.WINDOW_UPDATE:
            _check(len(payload) == 4, "WINDOW_UPDATE has 4 bytes", Fault.FRAME_SIZE)
            self._calls.on_window_update(number, int.from_bytes(payload, "big") & h2.LARGEST_WINDOW)
        elif kind == h2.RST_STREAM:
            _check(len(payload) == 4, "RST_STREAM has 4 bytes", Fault.FRAME_SIZE)
            _check(0 < number <= self._calls.last, "RST_STREAM of a stream that was not opened")
            self._calls.forget(number)
        elif kind == h2.SETTINGS:
            self._on_settings(flags, number, payload)
        elif kind == h2.PING:
            _check(number == 0, "PING on a stream")
            _check(len(payload) == 8, "PING has 8 bytes", Fault.FRAME_SIZE)
            if not flags & h2.ACK:
                self._sender.out.append(h2.frame(h2.PING, h2.ACK, 0, payload))
        elif kind == h2.PRIORITY:
            _check(number > 0, "PRIORITY without a stream")
            _check(len(payload) == 5, "PRIORITY has 5 bytes", Fault.FRAME_SIZE)
            _check_priority(number, payload)
        elif kind == h2.GOAWAY:
            _check(number == 0, "GOAWAY on a stream")
        elif kind == h2.PUSH_PROMISE:
            raise ConnectionFault(Fault.PROTOCOL, "PUSH_PROMISE from a client")

    def _on_headers(self, flags: int, number: int, payload: bytes) -> None:
        if flags & h2.PADDED:
            payload = _unpadded(payload)
        if flags & h2.PRIORITIZED:
            _check_priority(number, payload)
            payload = payload[5:]
        if flags & h2.END_HEADERS:
            head = self._heads.known.get(payload) or self._decode(payload)
            self._calls.on_head(number, head, bool(flags & h2.END_STREAM))
        else:
            self._block = (number, flags, payload)

    def _on_continuation(self, flags: int, number: int, payload: bytes) -> None:
        assert self._block is not None
        opened, first, block = self._block
        _check(number == opened, "CONTINUATION of another stream")
        block += payload
        if len(block) > self.server.limits.max_header_bytes:
            self.server.rejected("header_bytes")
            raise ConnectionFault(Fault.CALM, "The header block is too large")
        self._block = (opened, first, block)
        if flags & h2.END_HEADERS:
            self._block = None
            self._calls.on_head(number, self._decode(block), bool(first & h2.END_STREAM))

    def _decode(self, block: bytes) -> Head | None:
        self._reader.handed += _DECODING
        return self._heads.decode(block)

    def _on_settings(self, flags: int, number: int, payload: bytes) -> None:
        _check(number == 0, "SETTINGS on a stream")
        _check(len(payload) % 6 == 0 and not (flags & h2.ACK and payload), "SETTINGS of a wrong size", Fault.FRAME_SIZE)
        if flags & h2.ACK:
            return
        self.spend(max(0, len(payload) // h2.SETTING.size - 1))
        for name, value in dict(h2.SETTING.iter_unpack(payload)).items():  # the last value of each is what holds
            if name == h2.HEADER_TABLE_SIZE:
                self._sender.set_table(value)
            elif name == h2.ENABLE_PUSH:
                _check(value < 2, "SETTINGS_ENABLE_PUSH is 0 or 1")
            elif name == h2.INITIAL_WINDOW:
                self._sender.set_initial(value)
            elif name == h2.MAX_FRAME:
                self._sender.set_max_frame(value)
        self._sender.out.append(h2.frame(h2.SETTINGS, h2.ACK, 0))

    def spend(self, count: int = 1) -> None:
        """Frames, or settings in a frame, that are no part of a call. Raises ConnectionFault for a flood of them."""
        self._credit -= count
        if self._credit < 0:
            self.server.rejected("flood")
            raise ConnectionFault(Fault.CALM, "Too many frames that are no calls")

    def earn(self) -> None:
        """A call that was answered."""
        self._credit = min(_CREDIT, self._credit + _CREDIT_AN_ANSWER)

    # Ends.

    def flush(self) -> None:
        """Write what has gathered."""
        if self._sender.widened:
            self._calls.sent(self._sender.move())
        out = self._sender.out
        if out:
            if not self._transport.is_closing():
                self._transport.write(out[0] if len(out) == 1 else b"".join(out))
            out.clear()
        if self.server.draining and not self._ending and not self._calls.streams and not self._reader.waiting:
            self._end(Fault.NONE, "Shutting down")
            self.flush()
        elif self._ending and self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def _end(self, fault: Fault, words: str) -> None:
        """Say why, read no more, and close a moment later: closing with unread input would lose the words."""
        self._ending = True
        for number in list(self._calls.streams):
            self._calls.forget(number)
        self._sender.out.append(h2.goaway(self._calls.last, fault, words))
        self._patience = self.clock() + 1.0

    def leave(self) -> None:
        """Ask the client to take its next calls elsewhere; those that come are still answered."""
        self._sender.out.append(h2.goaway(h2.LARGEST_WINDOW, Fault.NONE, "Shutting down"))
        self.flush()

    def check_deadline(self, now: float) -> None:
        """Called every 0.25 s: what a client leaves undone ends."""
        if self._transport.is_closing():
            return
        limits = self.server.limits
        self._credit = min(_CREDIT, self._credit + _CREDIT_A_SWEEP)
        if self._ending or self._paused:
            if now >= self._patience:
                self._transport.abort()
            return
        try:
            self._calls.check_deadline(now, limits.deadline_seconds)
        except ConnectionFault as why:
            self._end(why.fault, str(why))
        begun = self._reader.partial or self._block is not None
        if not begun or self._calls.streams:
            self._patience = now + limits.header_seconds
        elif now >= self._patience:
            self.server.rejected("receive_time")
            self._end(Fault.PROTOCOL, "A frame did not arrive in time")
        if not self._calls.streams and now - self.seen > limits.idle_seconds and not self._ending:
            self._end(Fault.NONE, "Idle")
        self.flush()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()


def _check(fine: bool, words: str, fault: Fault = Fault.PROTOCOL) -> None:
    if not fine:
        raise ConnectionFault(fault, words)


def _check_priority(number: int, payload: bytes) -> None:
    """Priorities mean nothing here, but a stream cannot depend on itself (RFC 7540, 5.3.1)."""
    _check(int.from_bytes(payload[:4], "big") & h2.LARGEST_WINDOW != number, "A stream depends on itself")


def _unpadded(payload: bytes) -> bytes:
    """A payload without its padding (RFC 9113, 6.1)."""
    _check(len(payload) > 0 and payload[0] < len(payload), "The padding is longer than its frame")
    return payload[1 : len(payload) - payload[0]]
