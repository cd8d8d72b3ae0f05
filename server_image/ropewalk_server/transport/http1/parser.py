"""One HTTP/1.1 client's requests on their way in: what httptools finds in the bytes, and a bound for all of it.

Nothing is known of answers here. What is wrong with a request is told to the connection, which knows whether others
are to be answered before.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import httptools

from ropewalk_server.transport.buffers import SHARE_BYTES, Share
from ropewalk_server.transport.http1.message import PER_HEADER, Message
from ropewalk_server.transport.http1.types import Request, Response

if TYPE_CHECKING:
    from ropewalk_server.transport.http1.server import HttpServer

_UPGRADE = "Protocol upgrades are not supported"


class NoMore(Exception):
    """Ends the parser's work on bytes of which no more is wanted."""


class Client(Protocol):
    """The connection that the bytes come from. `deadline`: until when more has to have come (monotonic seconds)."""

    deadline: float

    def received(self, request: Request, keep_alive: bool) -> None:
        """Take a whole request; without `keep_alive` its answer is the last one."""

    def go_on(self) -> None:
        """Tell the client, who waits for that, to send its body."""

    def fail(self, status: int, reason: str, message: str) -> None:
        """Refuse what arrives, for a `reason` that is for the metric."""

    def refuse(self, response: Response) -> None:
        """Refuse what arrives with this answer."""


class Reader:
    """The requests of one client. `between` two of them, or reading a head or a body; `stopped`: nothing is read any
    more."""

    __slots__ = (
        "_client", "_head_bytes", "_in_body", "_keep_alive", "_message_bytes", "_parser", "_server", "_share",
        "between", "message", "stopped",
    )  # fmt: skip

    def __init__(self, server: HttpServer, client: Client, share: Share) -> None:
        self._server = server
        self._client = client
        self._share = share
        self._parser = httptools.HttpRequestParser(self)
        self._head_bytes = self._message_bytes = 0
        self._in_body = self.stopped = False
        self._keep_alive = self.between = True
        self.message = Message()

    @property
    def arriving(self) -> bool:
        """Whether a part of a request is here."""
        return self._in_body or self._head_bytes > 0

    def stop(self) -> None:
        """Read no more, and keep nothing of what was read."""
        self.stopped = True
        self._share.release(self.message.size)
        self.message = Message()

    def feed(self, data: bytes, start: bool) -> None:
        """More bytes; with `start` they are the first after all that came before was answered."""
        limits = self._server.limits
        if start:
            self.message.url = b""
        if self._in_body:
            self._message_bytes += len(data)
        else:
            self._head_bytes += len(data)
            self._message_bytes = len(data)
            most = limits.max_header_bytes
            if self._head_bytes > most and data.find(b"\r\n\r\n", 0, most) < 0:
                self._client.fail(431, "header_bytes", f"Request head is larger than {most} bytes")
                return
        wrong = ""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            wrong = _UPGRADE
        except httptools.HttpParserCallbackError:
            if not self.stopped:
                raise
        except httptools.HttpParserError:
            wrong = "Malformed HTTP request"
        if self.stopped:
            return  # what follows a request that is the last one, says its head, is nobody's
        if wrong:
            self._client.fail(400, "malformed", wrong)
        # Raw bytes too, not only what the parser hands out: chunk extensions and trailers are bytes as well.
        elif self._in_body and self._message_bytes > 2 * limits.max_body_bytes + 65536:
            self._client.fail(413, "body_bytes", f"Request body is larger than {limits.max_body_bytes} bytes")
        elif start and self.between and self._keep_alive and self.message.url and not self.message.expect:
            self._server.heads.learn(data, self.message.head(self._parser.get_method()))

    # What httptools calls.

    def on_message_begin(self) -> None:
        self.message = Message()
        self.between = self._in_body = False
        self._client.deadline = time.monotonic() + self._server.limits.header_seconds

    def on_url(self, url: bytes) -> None:
        self.message.add_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.stopped:
            return
        size, message = len(name), self.message
        message.head_size += size + len(value) + PER_HEADER
        if self._in_body:  # a trailer: nothing that decides may come after the body
            if message.head_size > (most := self._server.limits.max_header_bytes):
                self._fail(431, "header_bytes", f"Request trailers are larger than {most} bytes")
        elif size in self._server.read_sizes:
            message.add_header(name.lower(), value, self._server.kept)

    def on_headers_complete(self) -> None:
        if self.stopped:
            return
        message, limits, client = self.message, self._server.limits, self._client
        self._in_body = True
        self._head_bytes = 0
        self._keep_alive = self._parser.should_keep_alive()
        client.deadline = time.monotonic() + limits.deadline_seconds
        if message.head_size > limits.max_header_bytes:  # of a request behind another one in the same bytes
            client.fail(431, "header_bytes", f"Request head is larger than {limits.max_header_bytes} bytes")
        elif not 0 <= message.length <= limits.max_body_bytes:
            client.fail(413, "body_bytes", f"Request body is larger than {limits.max_body_bytes} bytes")
        elif message.encoding not in (b"", b"identity"):
            # A bomb of 100 KB unpacks to 100 MB (tensorflow/serving#4136): compressed bodies are refused.
            client.fail(415, "content_encoding", "Compressed bodies are not supported: send them as they are")
        elif self._parser.should_upgrade():  # CONNECT too; the parser would take the body for the other protocol's
            client.fail(400, "malformed", _UPGRADE)
        elif message.expect:
            client.go_on()

    def on_body(self, data: bytes) -> None:
        if self.stopped:
            return
        message, limit = self.message, self._server.limits.max_body_bytes
        before = message.size
        message.add_piece(data)
        self._share.hold(len(data))
        if message.in_crumbs:
            words = f"{message.parts} chunks of {message.size} bytes together: send larger ones"
            self._fail(400, "malformed", words)
        elif message.size > limit:
            self._client.fail(413, "body_bytes", f"Request body is larger than {limit} bytes")
        elif self._share.exceeded:
            self._client.fail(503, "buffered_bytes", "Too many large requests at once")
        elif before <= SHARE_BYTES < message.size and (refused := self._server.admit(message.headers)) is not None:
            self._client.refuse(refused)  # no room for a large body of somebody who may not ask

    def _fail(self, status: int, reason: str, message: str) -> None:
        """Refuse what arrives, and have the parser stop in the middle of it."""
        self._client.fail(status, reason, message)
        raise NoMore

    def on_message_complete(self) -> None:
        self._in_body = False
        self._head_bytes = 0
        if self.stopped:
            return
        self.between = True
        message = self.message
        request = message.request(self._parser.get_method())
        message.pieces, message.size = [], 0
        self._client.received(request, self._keep_alive)
