"""One client's HTTP/1.1 connection: its answers in the order of its requests, keep-alive, and its ends.

A framework would cost more than the prediction itself (a network of 10 inputs answers in 2 us). The protocol keeps
answers in the order of their requests and stops reading while an answer is outstanding, so a client is its own queue.
A request whose head was read before waits for the end of the loop's turn (`turn`), any other is served at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from ropewalk_server.log import log, place
from ropewalk_server.transport.buffers import Share
from ropewalk_server.transport.http1.loop_turn import MOST_BYTES
from ropewalk_server.transport.http1.parser import Reader
from ropewalk_server.transport.http1.types import Answer, Request, Response, encode

if TYPE_CHECKING:
    from ropewalk_server.transport.http1.server import HttpServer


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
AT_ONCE = 16
"""Answers to requests that came together: the rest waits until they are written and others have had their turn."""


class Connection(asyncio.Protocol):
    """One client. What it sends is the reader's; here is what it is owed, until when more has to come (`deadline`,
    monotonic seconds), and how it ends."""

    __slots__ = (
        "_closing", "_in_turn", "_out", "_paused", "_pending", "_queue", "_reader", "_server", "_share", "_transport",
        "deadline",
    )  # fmt: skip

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._share = Share(server)
        self._transport: asyncio.Transport
        self._reader = Reader(server, self, self._share)
        self._queue: deque[tuple[Request | Response | bytes, bool]] = deque()
        self._pending: asyncio.Future[Response] | None = None
        self._out: list[bytes] = []
        self._paused = self._closing = self._in_turn = False
        self.deadline = time.monotonic() + server.limits.header_seconds

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        connections = self._server.connections
        connections.add(self)
        if len(connections) > self._server.limits.max_connections:
            self.fail(503, "connections", "Too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        queued = sum(len(item.body) for item, _ in self._queue if isinstance(item, Request))
        self._share.release(queued)
        self._reader.stop()
        self._queue.clear()
        if self._pending is not None:
            self._pending.cancel()

    def pause_writing(self) -> None:
        self._paused = True
        self._transport.pause_reading()
        self.deadline = time.monotonic() + self._server.limits.deadline_seconds

    def resume_writing(self) -> None:
        self._paused = False
        self.deadline = time.monotonic() + self._server.limits.idle_seconds
        self._serve_queue()

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader.stopped:
            return
        # `not self._owing` spelt out, and no clock read: this is most of what a small request costs.
        start = reader.between and not self._in_turn and not self._paused and self._pending is None and not self._queue
        if start:
            server = self._server
            limits = server.limits
            known = server.heads.request(data, limits.max_body_bytes)
            if known is not None:
                self.deadline = server.now + limits.idle_seconds
                turn = server.turn
                if turn is not None and known.method == b"POST" and len(known.body) <= MOST_BYTES:
                    self._in_turn = True
                    turn.join(self, known)
                else:
                    self._serve(known, True)
                    self._flush()
                return
        reader.feed(data, start)
        if self._out:
            self._flush()

    # What the reader calls.

    def received(self, request: Request, keep_alive: bool) -> None:
        """Answer a request, or keep it until those before are answered."""
        self.deadline = time.monotonic() + self._server.limits.idle_seconds
        if self._owing or self._paused or len(self._out) >= AT_ONCE:
            self._queue.append((request, keep_alive))
            self._transport.pause_reading()
        else:
            self._share.release(len(request.body))
            self._serve(request, keep_alive)

    def go_on(self) -> None:
        """Ask for the body of a request, after what is owed already."""
        self._queue.append((CONTINUE, True)) if self._owing else self._out.append(CONTINUE)

    def fail(self, status: int, reason: str, message: str) -> None:
        """Refuse what arrives, for a `reason` that is for the metric."""
        self._server.rejected(reason)
        self.refuse(self._server.error(status, message))

    def refuse(self, response: Response) -> None:
        """Answer an error after what is owed already, read no more, and close."""
        self._reader.stop()
        if self._owing:
            self._queue.append((response, False))
            return
        self._write(response, False)
        self._flush()

    # Answers.

    @property
    def _owing(self) -> bool:
        """Whether an answer is due before the next one."""
        return self._in_turn or self._pending is not None or bool(self._queue)

    def answer(self, answer: Answer, request: Request) -> None:
        """The answer to the request that joined the turn; called once for each."""
        self._in_turn = False
        if self._transport.is_closing():
            return
        if not isinstance(answer, Response):
            self._await(answer, True, False, len(request.body))
        elif self._queue or self._out or self._closing or self._server.draining:
            self._write(answer, True)
            self._serve_queue()
        else:
            self._transport.write(encode(answer))

    def _serve(self, request: Request, keep_alive: bool) -> None:
        head_only = request.method == b"HEAD"
        try:
            answer = self._server.handler(request)
        except Exception as error:
            log("error", "request failed", error=place(error), path=request.path[:200].decode("latin-1"))
            answer = self._server.error(500, "Internal error")
        if isinstance(answer, Response):
            self._write(answer, keep_alive, head_only=head_only)
            return
        self._await(answer, keep_alive, head_only, len(request.body))

    def _await(self, answer: asyncio.Future[Response], keep_alive: bool, head_only: bool, size: int) -> None:
        self._pending = answer
        self.deadline = float("inf")
        self._transport.pause_reading()
        self._share.hold(size)  # what it has become, if it is not kept itself
        answer.add_done_callback(partial(self._finish, keep_alive, head_only, size))

    def _finish(self, keep_alive: bool, head_only: bool, size: int, done: asyncio.Future[Response]) -> None:
        self._pending = None
        self._share.release(size)
        if done.cancelled() or self._transport.is_closing():
            return
        error = done.exception()
        answer = done.result() if error is None else self._server.error(500, "Internal error")
        self._write(answer, keep_alive, head_only=head_only)
        self.deadline = time.monotonic() + self._server.limits.idle_seconds
        self._serve_queue()

    def _serve_queue(self) -> None:
        while self._may_serve and len(self._out) < AT_ONCE:
            item, keep_alive = self._queue.popleft()
            if isinstance(item, Request):
                self._share.release(len(item.body))
                self._serve(item, keep_alive)
            elif isinstance(item, Response):
                self._write(item, False)
            else:
                self._out.append(item)
        self._flush()
        if not self._queue and self._pending is None and not self._paused and not self._transport.is_closing():
            self._transport.resume_reading()

    @property
    def _may_serve(self) -> bool:
        """Whether the next request that waits may be answered now."""
        return bool(self._queue) and self._pending is None and not (self._paused or self._closing or self._in_turn)

    def _write(self, response: Response, keep_alive: bool, *, head_only: bool = False) -> None:
        keep_alive = keep_alive and not self._server.draining
        self._out.append(encode(response, keep_alive=keep_alive, head_only=head_only))
        if not keep_alive:
            self._closing = True
            self._reader.stop()

    def _flush(self) -> None:
        if self._out and not self._transport.is_closing():
            self._transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
        self._out = []
        if self._queue and self._may_serve and not self._transport.is_closing():
            asyncio.get_running_loop().call_soon(self._serve_queue)
        if self._closing and self._pending is None and not self._in_turn:
            self._linger()

    def _linger(self) -> None:
        """Half-close, then close: closing with unread input resets the connection and loses the answer."""
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()
        self.deadline = time.monotonic() + 1.0

    def eof_received(self) -> bool:
        """A client that half-closes still gets what is owed to it."""
        turn = self._server.turn
        if self._in_turn and turn is not None and not self._transport.can_write_eof():
            turn.end()  # TLS closes both ways as soon as this returns
        if not self._owing:
            return False
        if self._queue:
            last, _ = self._queue.pop()
            self._queue.append((last, False))
        else:
            self._closing = True
        return True

    # Ends.

    def check_deadline(self, now: float) -> None:
        if now < self.deadline or self._transport.is_closing():
            return
        if self._reader.stopped or self._paused or not self._reader.arriving:
            self._transport.abort() if self._paused else self._transport.close()
        else:
            self.fail(408, "receive_time", "The request did not arrive in time")

    def close_when_idle(self) -> None:
        if not self._owing and not self._reader.arriving:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()
