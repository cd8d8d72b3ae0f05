"""One client's HTTP/1.1 connection: keep-alive, pipelining in order, and a bound for everything that it sends.

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

import httptools

from ropewalk_server.bodies import SHARE_BYTES, Share
from ropewalk_server.http import Answer, Request, Response, encode
from ropewalk_server.http_message import PER_HEADER, Message
from ropewalk_server.log import log, place
from ropewalk_server.turn import MOST_BYTES

if TYPE_CHECKING:
    from ropewalk_server.http_server import HttpServer


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client. States: waiting for a head, reading a body, answering, discarding (after an error)."""

    __slots__ = (
        "_between", "_closing", "_deadline", "_discarding", "_head_bytes", "_in_body", "_in_turn", "_keep_alive",
        "_message", "_message_bytes", "_out", "_parser", "_paused", "_pending", "_queue", "_server", "_share",
        "_transport",
    )  # fmt: skip

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._share = Share(server)
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[tuple[Request | Response | bytes, bool]] = deque()
        self._pending: asyncio.Future[Response] | None = None
        self._out: list[bytes] = []
        self._paused = self._discarding = self._closing = self._in_body = self._in_turn = False
        self._between = self._keep_alive = True
        self._deadline = time.monotonic() + server.limits.header_seconds
        self._head_bytes = self._message_bytes = 0
        self._message = Message()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        connections = self._server.connections
        connections.add(self)
        if len(connections) > self._server.limits.max_connections:
            self._fail(503, "connections", "Too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        queued = sum(len(item.body) for item, _ in self._queue if isinstance(item, Request))
        self._share.release(self._message.size + queued)
        self._message = Message()
        self._discarding = True
        self._queue.clear()
        if self._pending is not None:
            self._pending.cancel()

    def pause_writing(self) -> None:
        self._paused = True
        self._transport.pause_reading()
        self._deadline = time.monotonic() + self._server.limits.deadline_seconds

    def resume_writing(self) -> None:
        self._paused = False
        self._deadline = time.monotonic() + self._server.limits.idle_seconds
        self._serve_queue()

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            return
        server = self._server
        limits = server.limits
        # `not self._owing` spelt out, and no clock read: this is most of what a small request costs.
        start = self._between and not self._in_turn and not self._paused and self._pending is None and not self._queue
        if start:
            known = server.heads.request(data, limits.max_body_bytes)
            if known is not None:
                self._deadline = server.now + limits.idle_seconds
                turn = server.turn
                if turn is not None and known.method == b"POST" and len(known.body) <= MOST_BYTES:
                    self._in_turn = True
                    turn.join(self, known)
                else:
                    self._serve(known, True)
                    self._flush()
                return
            self._message.url = b""
        if self._in_body:
            self._message_bytes += len(data)
        else:
            self._head_bytes += len(data)
            self._message_bytes = len(data)
            most = limits.max_header_bytes
            if self._head_bytes > most and data.find(b"\r\n\r\n", 0, most) < 0:
                self._fail(431, "header_bytes", f"Request head is larger than {most} bytes")
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._flush()
            if not self._closing:
                self._fail(400, "malformed", "Protocol upgrades are not supported")
            return
        except httptools.HttpParserCallbackError as error:
            if not self._discarding:
                raise error
            return
        except httptools.HttpParserError:
            self._flush()
            if not self._closing:  # what follows a request that is the last one, says its head, is nobody's
                self._fail(400, "malformed", "Malformed HTTP request")
            return
        if self._discarding:
            # The last answer of a connection that the client wants closed is still to be sent.
            if self._out:
                self._flush()
            return
        # Raw bytes too, not only what the parser hands out: chunk extensions and trailers are bytes as well.
        if self._in_body and self._message_bytes > 2 * limits.max_body_bytes + 65536:
            self._fail(413, "body_bytes", f"Request body is larger than {limits.max_body_bytes} bytes")
        elif start and self._between and self._keep_alive and self._message.url and not self._message.expect:
            self._server.heads.learn(data, self._message.head(self._parser.get_method()))
        self._flush()

    # What httptools calls.

    def on_message_begin(self) -> None:
        self._message = Message()
        self._between = self._in_body = False
        self._deadline = time.monotonic() + self._server.limits.header_seconds

    def on_url(self, url: bytes) -> None:
        self._message.add_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body or self._discarding:
            return  # a trailer: nothing that decides may come after the body
        size, message = len(name), self._message
        message.head_size += size + len(value) + PER_HEADER
        if size in self._server.read_sizes:
            message.add_header(name.lower(), value, self._server.kept)

    def on_headers_complete(self) -> None:
        if self._discarding:
            return
        message, limits = self._message, self._server.limits
        self._in_body = True
        self._head_bytes = 0
        self._keep_alive = self._parser.should_keep_alive()
        self._deadline = time.monotonic() + limits.deadline_seconds
        if message.head_size > limits.max_header_bytes:  # of a request behind another one in the same bytes
            self._fail(431, "header_bytes", f"Request head is larger than {limits.max_header_bytes} bytes")
        elif not 0 <= message.length <= limits.max_body_bytes:
            self._fail(413, "body_bytes", f"Request body is larger than {limits.max_body_bytes} bytes")
        elif message.encoding not in (b"", b"identity"):
            # A bomb of 100 KB unpacks to 100 MB (tensorflow/serving#4136): compressed bodies are refused.
            self._fail(415, "content_encoding", "Content-Encoding is not supported")
        elif message.expect:
            self._queue.append((CONTINUE, True)) if self._owing else self._out.append(CONTINUE)

    def on_body(self, data: bytes) -> None:
        if self._discarding:
            return
        message, limit = self._message, self._server.limits.max_body_bytes
        before = message.size
        message.add_piece(data)
        self._share.hold(len(data))
        if message.size > limit:
            self._fail(413, "body_bytes", f"Request body is larger than {limit} bytes")
        elif self._share.exceeded:
            self._fail(503, "buffered_bytes", "Too many large requests at once")
        elif before <= SHARE_BYTES < message.size and (refused := self._server.admit(message.headers)) is not None:
            self._refuse(refused)  # no room for a large body of somebody who may not ask

    def on_message_complete(self) -> None:
        self._in_body = False
        self._head_bytes = 0
        if self._discarding:
            return
        self._between = True
        message = self._message
        request = message.request(self._parser.get_method())
        message.pieces, message.size = [], 0
        self._deadline = time.monotonic() + self._server.limits.idle_seconds
        if self._owing or self._paused:
            self._queue.append((request, self._keep_alive))
            self._transport.pause_reading()
        else:
            self._share.release(len(request.body))
            self._serve(request, self._keep_alive)

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
        self._deadline = float("inf")
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
        self._deadline = time.monotonic() + self._server.limits.idle_seconds
        self._serve_queue()

    def _serve_queue(self) -> None:
        while self._queue and self._pending is None and not self._paused and not self._closing:
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

    def _write(self, response: Response, keep_alive: bool, *, head_only: bool = False) -> None:
        keep_alive = keep_alive and not self._server.draining
        self._out.append(encode(response, keep_alive=keep_alive, head_only=head_only))
        if not keep_alive:
            self._closing = self._discarding = True

    def _flush(self) -> None:
        if self._out and not self._transport.is_closing():
            self._transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
        self._out = []
        if self._closing and self._pending is None and not self._in_turn:
            self._linger()

    def _fail(self, status: int, reason: str, message: str) -> None:
        """Refuse what arrives, for a `reason` that is for the metric."""
        self._server.rejected(reason)
        self._refuse(self._server.error(status, message))

    def _refuse(self, response: Response) -> None:
        """Answer an error after what is owed already, read no more, and close."""
        self._discarding = True
        self._share.release(self._message.size)
        self._message = Message()
        if self._owing:
            self._queue.append((response, False))
            return
        self._write(response, False)
        self._flush()

    def _linger(self) -> None:
        """Half-close, then close: closing with unread input resets the connection and loses the answer."""
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()
        self._deadline = time.monotonic() + 1.0

    def eof_received(self) -> bool:
        """A client that half-closes still gets what is owed to it."""
        turn = self._server.turn
        if self._in_turn and turn is not None and not self._transport.can_write_eof():
            turn.end()  # TLS closes both ways as soon as this returns
        if not self._owing:
            return False
        self._closing = True
        return True

    # Ends.

    def check_deadline(self, now: float) -> None:
        if now < self._deadline or self._transport.is_closing():
            return
        if self._discarding or self._paused or not (self._in_body or self._head_bytes):
            self._transport.abort() if self._paused else self._transport.close()
        else:
            self._fail(408, "receive_time", "The request did not arrive in time")

    def close_when_idle(self) -> None:
        if not self._owing and not self._in_body and not self._head_bytes:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()
