"""The calls of one HTTP/2 connection: a message in, a reply out, each on a stream of its own.

Only unary calls are served, so a stream is read to its end, handled, answered and forgotten.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from ropewalk_server.log import log, place
from ropewalk_server.transport.buffers import Share, keep, whole
from ropewalk_server.transport.http2.flow_control import Sender
from ropewalk_server.transport.http2.frames import (
    LARGEST_WINDOW,
    MESSAGE_HEAD,
    ConnectionFault,
    Fault,
    reset,
    window_update,
)
from ropewalk_server.transport.http2.rpc import Answer, Code, Head, Reply, failure

if TYPE_CHECKING:
    from ropewalk_server.transport.http2.connection import Connection

TINY = 16
"""Bytes of a piece of a message, below which clients that mean well send one or two."""
_REPLENISH = 1 << 29
_REMEMBERED = 64


class Stream:
    """A call that has begun. `wanted` is its message's length, -1 before that is known; `ended`: all of it is here."""

    __slots__ = ("began", "credit", "ended", "head", "parts", "pending", "size", "timer", "wanted")

    def __init__(self, head: Head, began: float) -> None:
        self.head = head
        self.began = began
        self.ended = False
        self.parts: list[bytes | bytearray] = []
        self.size = self.credit = 0
        self.wanted = -1
        self.pending: asyncio.Future[Reply] | None = None
        self.timer: asyncio.TimerHandle | None = None


class Streams:
    """The streams of `connection` that are not answered yet. All its methods may raise ConnectionFault."""

    __slots__ = ("_connection", "_dropped", "_received", "_sender", "_server", "_share", "last", "streams")

    def __init__(self, connection: Connection, sender: Sender) -> None:
        self._connection = connection
        self._server = connection.server
        self._sender = sender
        self._share = Share(self._server)
        self.streams: dict[int, Stream] = {}
        self.last = 0
        self._dropped: dict[int, None] = {}
        self._received = 0

    # What the client sends.

    def on_head(self, number: int, head: Head | None, ended: bool) -> None:
        """A header block; `head` is None where it is none of a request."""
        if number % 2 == 0:
            raise ConnectionFault(Fault.PROTOCOL, "A client's streams have odd numbers")
        if number <= self.last:
            self._on_trailers(number, head, ended)
            return
        self.last = number
        if head is None:
            self._drop(number, Fault.PROTOCOL)
        elif self._server.draining and not self._connection.behind:
            self._drop(number, Fault.REFUSED)
        elif len(self.streams) >= self._server.limits.max_streams:
            self._server.rejected("streams")
            self._drop(number, Fault.REFUSED)
        else:
            stream = self.streams[number] = Stream(head, self._connection.seen)
            stream.ended = ended
            if head.status:
                self._sender.http_error(number, head.status)
                self.forget(number)
                self._stop(number, stream)
            elif ended:
                self._done(number, stream, failure(Code.INTERNAL, "The call has no message"))

    def _on_trailers(self, number: int, head: Head | None, ended: bool) -> None:
        """Headers after a message, of which gRPC's clients send none."""
        stream = self.streams.get(number)
        if stream is not None and not stream.ended and ended and head is None:
            self.on_data(number, b"", True)
        elif stream is not None:
            self.forget(number)
            self._drop(number, Fault.STREAM_CLOSED if stream.ended else Fault.PROTOCOL)
        elif number not in self._dropped:
            raise ConnectionFault(Fault.PROTOCOL, "A stream is opened that is over, or was passed over")

    def on_data(self, number: int, piece: bytes, ended: bool) -> None:
        """A piece of a message."""
        size = len(piece)
        self._received += size
        if self._received >= _REPLENISH:
            self._sender.out.append(window_update(0, self._received))
            self._received = 0
        stream = self.streams.get(number)
        if stream is None or stream.ended:
            if not 0 < number <= self.last:
                raise ConnectionFault(Fault.PROTOCOL, "DATA of a stream that was not opened")
            self._closed(number)
            return
        if not size and not ended:
            self._connection.spend()
            return
        first = not stream.size
        if size < TINY and not (first or ended):
            self._connection.spend()
        stream.ended = ended
        stream.size += size
        self._share.hold(size)
        if ended and stream.head.length not in (None, stream.size):
            self.forget(number)
            self._drop(number, Fault.PROTOCOL)
            return
        wrong = self._take(stream, piece)
        if wrong is None and first and not ended:
            wrong = self._server.admit(stream.head)
        if wrong is not None:
            self._done(number, stream, wrong)
        elif ended:
            message, stream.parts = whole(stream.parts), []
            self._call(number, stream, message)

    def _take(self, stream: Stream, piece: bytes) -> Reply | None:
        """Keep a piece of the message; an error if it cannot become one."""
        parts, limits = stream.parts, self._server.limits
        if stream.wanted < 0:
            if parts:
                piece = bytes(parts.pop() + piece)
            if len(piece) >= MESSAGE_HEAD.size:
                packed, stream.wanted = MESSAGE_HEAD.unpack_from(piece)
                if packed:
                    self._server.rejected("content_encoding")
                    # A bomb of 100 KB unpacks to 100 MB (tensorflow/serving#4136): compressed messages are refused.
                    return failure(Code.UNIMPLEMENTED, "Compressed messages are not supported")
                if stream.wanted > limits.max_body_bytes:
                    self._server.rejected("body_bytes")
                    words = f"The message has {stream.wanted} bytes, at most {limits.max_body_bytes} are allowed"
                    return failure(Code.RESOURCE_EXHAUSTED, words)
                piece = piece[MESSAGE_HEAD.size :]
        keep(parts, piece)
        got = stream.size - MESSAGE_HEAD.size
        if got > stream.wanted >= 0:
            return failure(Code.UNIMPLEMENTED, "The call has more than one message")
        if self._share.exceeded:
            self._server.rejected("buffered_bytes")
            return failure(Code.UNAVAILABLE, "Too many large requests at once")
        if stream.ended and (stream.wanted < 0 or got != stream.wanted):
            return failure(Code.INTERNAL, f"The call ends after {stream.size} bytes of its message and its head")
        return None

    def on_window_update(self, number: int, more: int) -> None:
        """The client takes `more` bytes than before, on a stream or (0) on all together."""
        if number == 0:
            if more == 0:
                raise ConnectionFault(Fault.PROTOCOL, "WINDOW_UPDATE of 0 bytes")
            self._sender.grant(more)
            return
        if number > self.last:
            raise ConnectionFault(Fault.PROTOCOL, "WINDOW_UPDATE of a stream that was not opened")
        stream = self.streams.get(number)
        if stream is None:
            return
        waiting = self._sender.waiting.get(number)
        credit = (stream.credit if waiting is None else waiting.credit) + more
        if more == 0 or self._sender.initial + credit > LARGEST_WINDOW:
            self.forget(number)
            self._drop(number, Fault.FLOW_CONTROL if more else Fault.PROTOCOL)
        elif waiting is None:
            stream.credit = credit
        else:
            waiting.credit = credit
            self._sender.widened = True

    # Answers.

    def _call(self, number: int, stream: Stream, message: bytes) -> None:
        timeout = stream.head.timeout
        left = None if timeout is None else timeout - (self._connection.clock() - stream.began)
        if left is not None and left <= 0:
            self._expire(number, stream)
            return
        try:
            answer: Answer = self._server.handler(stream.head, message)
        except Exception as error:
            log("error", "call failed", error=place(error), path=stream.head.path[:200].decode("latin-1"))
            answer = failure(Code.INTERNAL, "Internal error")
        if isinstance(answer, Reply):
            self._done(number, stream, answer)
            return
        stream.pending = answer
        answer.add_done_callback(partial(self._finish, number, stream))
        if left is not None:
            stream.timer = self._connection.loop.call_later(left, self._late, number, stream)

    def _finish(self, number: int, stream: Stream, done: asyncio.Future[Reply]) -> None:
        if self.streams.get(number) is not stream:
            if not done.cancelled():
                done.exception()  # nobody is left to be told
            return
        stream.pending = None
        if done.cancelled():
            reply = failure(Code.UNAVAILABLE, "The call was cancelled")
        elif (error := done.exception()) is not None:
            log("error", "call failed", error=place(error), path=stream.head.path[:200].decode("latin-1"))
            reply = failure(Code.INTERNAL, "Internal error")
        else:
            reply = done.result()
        self._done(number, stream, reply)
        self._connection.flush()

    def _late(self, number: int, stream: Stream) -> None:
        if self.streams.get(number) is stream:
            self._expire(number, stream)
            self._connection.flush()

    def _expire(self, number: int, stream: Stream) -> None:
        self._server.rejected("deadline")
        self._done(number, stream, failure(Code.DEADLINE_EXCEEDED, f"The call's {stream.head.timeout:g} s are over"))

    def _done(self, number: int, stream: Stream, reply: Reply) -> None:
        """Answer a call, all of which may not be here yet."""
        self._connection.earn()
        if self._sender.answer(number, reply, stream.credit, self._connection.seen):
            self.forget(number)
        else:
            self._share.hold(len(reply.message) - stream.size)
            stream.size = len(reply.message)
        self._stop(number, stream)

    def _stop(self, number: int, stream: Stream) -> None:
        """The rest of a message is not wanted."""
        if not stream.ended:
            stream.ended = True
            self._drop(number, Fault.NONE)

    def sent(self, numbers: list[int]) -> None:
        """These streams' answers, which waited for a window, have been sent to their end."""
        for number in numbers:
            self.forget(number)

    def forget(self, number: int) -> None:
        """A stream is over, or the client wants it no more."""
        stream = self.streams.pop(number, None)
        if stream is None:
            return
        self._share.release(stream.size)
        self._sender.forget(number)
        if stream.timer is not None:
            stream.timer.cancel()
        if stream.pending is not None:
            stream.pending.cancel()

    def _drop(self, number: int, fault: Fault) -> None:
        """Tell the client to send no more on a stream, and expect that it still does for a while."""
        if fault is not Fault.NONE:
            self._connection.spend()
        self._sender.out.append(reset(number, fault))
        self._dropped[number] = None
        if len(self._dropped) > _REMEMBERED:
            del self._dropped[next(iter(self._dropped))]

    def _closed(self, number: int) -> None:
        """A frame on a stream that is over."""
        if number not in self._dropped:
            self._connection.spend()
            self._sender.out.append(reset(number, Fault.STREAM_CLOSED))
            self.forget(number)

    def check_deadline(self, now: float, seconds: float) -> None:
        """Give up what has been received, or has waited for a window, for longer than `seconds`."""
        for number, stream in list(self.streams.items()):
            if not stream.ended and now - stream.began > seconds:
                self._server.rejected("receive_time")
                words = f"The message did not arrive within {seconds:g} s"
                self._done(number, stream, failure(Code.DEADLINE_EXCEEDED, words))
        for number in self._sender.late(now - seconds):
            self.forget(number)
            self._drop(number, Fault.CANCEL)
