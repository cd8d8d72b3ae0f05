"""Heads that were read before change nothing but the cost: same requests, same answers, however the bytes arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk_server.transport.http1.connection import Connection
from ropewalk_server.transport.http1.header_cache import MAX_BYTES, MAX_HEADS, MAX_ONCE, Heads
from ropewalk_server.transport.http1.server import HttpServer
from ropewalk_server.transport.http1.types import Answer, Request, Response
from tests.effort import examples
from tests.server.wire import Wire, post


class Forgetful(Heads):
    """Knows no head: the parser reads everything."""

    def request(self, data: bytes, max_body_bytes: int) -> Request | None:
        return None


def told(
    heads: Heads, connections: list[list[bytes]], *, turns: bool = True
) -> list[tuple[list[Request], bytes, bool]]:
    """What the handler sees and the client gets on connections that come one after the other.

    `turns`: each piece comes in a turn of the event loop of its own, instead of all that a connection sends in one.
    """
    seen: list[Request] = []

    def handler(request: Request) -> Response:
        seen.append(request)
        return Response(200, b"%d" % len(request.body))

    def together(requests: Sequence[Request]) -> list[Answer]:
        return [handler(request) for request in requests]

    async def connect() -> list[tuple[list[Request], bytes, bool]]:
        server = HttpServer(
            handler,
            lambda status, text: Response(status, text.encode()),
            together=together,
            keep=(b"x-request-id", b"authorization"),
        )
        server.heads = heads
        result = []
        for pieces in connections:
            seen.clear()
            wire, connection = Wire(), Connection(server)
            connection.connection_made(wire)
            for piece in pieces:
                if piece:
                    connection.data_received(piece)
                if turns:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)
            result.append((list(seen), wire.sent, wire.closed))
            connection.connection_lost(None)
        return result

    return asyncio.run(connect())


MESSAGES = [
    post(b"abc"),
    post(b"abd"),
    post(b""),
    post(b"\r\n\r\nabc"),
    post(b"abc", b"X-Request-Id: 7"),
    post(b"abc", b"Authorization: Bearer p"),
    post(b"abc", b"Authorization: "),
    post(b"abc", b"Authorization: A", b"Authorization: B"),
    post(b"abc", b"Connection: close"),
    post(b"abc", b"Expect: 100-continue"),
    post(b"abc", b"Content-Encoding: gzip"),
    post(b"abc", b"Transfer-Encoding: chunked"),
    post(b"abc", b"Upgrade: h2c", b"Connection: upgrade"),
    post(b"abc", b"X: " + b"y" * MAX_BYTES),
    post(b"abc", path=b"/p?q=1"),
    post(b"abcdefghi")[:-6],
    b"GET /g HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /g HTTP/1.0\r\nHost: a\r\n\r\n",
    b"HEAD /g HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /n HTTP/1.1\nHost: a\nContent-Length: 7\n\n\r\n\r\nabc",
    b"\r\n",
    b"\r\n\r\n",
    b"nonsense\r\n\r\n",
]


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_a_known_head_is_the_head_that_was_parsed(data: st.DataObject) -> None:
    connections = []
    for _ in range(data.draw(st.integers(1, 3))):
        messages = data.draw(st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=6))
        # Mostly a message a piece, as clients send them; else cut anywhere.
        pieces = list(messages)
        if data.draw(st.booleans()):
            stream = b"".join(messages)
            cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
            pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        connections.append(pieces)
    connections *= 3  # all of it again, when what can be known is known
    turns = data.draw(st.booleans())
    assert told(Heads(), connections, turns=turns) == told(Forgetful(), connections, turns=turns)


def test_a_repeated_request_is_found() -> None:
    heads = Heads()
    told(heads, [[post(b"abc", b"X-Request-Id: 7")]])
    assert heads.request(post(b"xyz", b"X-Request-Id: 7"), 100) is None, "once is not enough"
    told(heads, [[post(b"abc", b"X-Request-Id: 7")]])

    found = heads.request(post(b"xyz", b"X-Request-Id: 7"), 100)

    assert found == Request(b"POST", b"/p", b"xyz", {b"x-request-id": b"7"})
    assert heads.request(post(b"xyz", b"X-Request-Id: 8"), 100) is None
    assert heads.request(post(b"xyz", b"X-Request-Id: 7"), 2) is None, "a limit that shrank holds"


def test_heads_that_never_come_again_push_nothing_out() -> None:
    """A trace of its own in each, say; nor do they fill the memory."""
    heads = Heads()
    told(heads, [[post(b"abc")] * 2])
    told(heads, [[post(b"abc", b"Traceparent: %d" % number) for number in range(2 * MAX_ONCE)]])

    assert heads.request(post(b"xyz"), 100) is not None
    assert len(heads._once) <= MAX_ONCE


def test_heads_that_do_come_again_do_not_fill_the_memory() -> None:
    heads = Heads()
    for secret in (b"X", b"Authorization"):
        told(heads, [[post(b"abc", b"%b: %d" % (secret, number)) for number in range(MAX_HEADS + 1)] * 2])

    assert 0 < len(heads._known) <= MAX_HEADS
    assert 0 < len(heads._guarded) <= MAX_HEADS


def test_of_credentials_nothing_is_kept() -> None:
    """And a head with them is known all the same, with the credentials that it bears."""
    heads = Heads()
    told(heads, [[post(b"abc", b"X-Request-Id: 7", b"Authorization: Bearer a-token")] * 3])

    found = heads.request(post(b"xyz", b"X-Request-Id: 7", b"Authorization: Bearer a-token"), 100)

    assert found == Request(b"POST", b"/p", b"xyz", {b"x-request-id": b"7", b"authorization": b"Bearer a-token"})
    assert heads.request(post(b"xyz", b"X-Request-Id: 7", b"Authorization: Bearer b-token"), 100) is None
    assert b"a-token" not in repr(vars(heads)).encode()
