"""One HTTP connection, byte by byte: what is no request's, what is answered late, and what fills the memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from ropewalk_server.transport.http1.connection import AT_ONCE, Connection
from ropewalk_server.transport.http1.server import HttpServer
from ropewalk_server.transport.http1.types import Request, Response
from ropewalk_server.transport.limits import Limits
from tests.server.wire import Wire, post


class Port:
    """A server whose handler answers with the body's length, /slow when it is let; and its connections."""

    def __init__(self, **limits: Any) -> None:
        self.seen: list[Request] = []
        self.reasons: list[str] = []
        self.slow: list[asyncio.Future[Response]] = []
        self.server = HttpServer(
            self._handle,
            lambda status, text: Response(status, text.encode()),
            Limits(**limits),
            keep=(b"authorization",),
            admit=self._admit,
            rejected=self.reasons.append,
        )

    def _admit(self, headers: Any) -> Response | None:
        return Response(401, b"who?") if headers.get(b"authorization") == b"wrong" else None

    def _handle(self, request: Request) -> Response | asyncio.Future[Response]:
        self.seen.append(request)
        if request.path != b"/slow":
            return Response(200, b"%d" % len(request.body))
        self.slow.append(asyncio.get_running_loop().create_future())
        return self.slow[-1]

    def connect(self, *parts: bytes) -> tuple[Connection, Wire]:
        """A client that has sent these parts."""
        connection, wire = Connection(self.server), Wire()
        connection.connection_made(wire)
        for part in parts:
            connection.data_received(part)
        return connection, wire


def chunks(*parts: bytes) -> bytes:
    """A chunked body without its end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


CHUNKED = b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def port() -> Port:
    """With the limits of every server."""
    return Port()


async def test_a_trailer_is_no_header(port: Port) -> None:
    """Who asks is said before the body, or not at all (RFC 9110, 6.5.1)."""
    port.connect(CHUNKED + chunks(b"abc") + b"0\r\nAuthorization: right\r\n\r\n")
    assert port.seen == [Request(b"POST", b"/p", b"abc", {})]


async def test_the_head_of_a_request_behind_another_one_is_bounded_too(port: Port) -> None:
    """Both in the same bytes."""
    _, wire = port.connect(post(b"abc") + post(b"abc", b"X: " + b"y" * 200_000))
    assert wire.sent.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 431" in wire.sent
    assert (len(port.seen), port.reasons, wire.closed) == (1, ["header_bytes"], True)


async def test_a_late_answer_to_head_has_no_body(port: Port) -> None:
    """It would be taken for the next answer."""
    _, wire = port.connect(b"HEAD /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    port.slow[0].set_result(Response(200, b"a body"))
    await asyncio.sleep(0)
    assert b"content-length: 6\r\n" in wire.sent
    assert wire.sent.endswith(b"\r\n\r\n")


async def test_bodies_that_are_never_finished_keep_no_small_request_out(port: Port) -> None:
    """Large ones are refused while there is no room, the others answered."""
    begun = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n" + b"x" * (4 << 20)
    hogs = [port.connect(begun[:-1])[0] for _ in range(17)]
    assert port.reasons == ["buffered_bytes"], "the seventeenth has no room"
    _, wire = port.connect(post(b"x" * 60_000)[:-1], b"x")
    assert wire.sent.endswith(b"60000")
    _, wire = port.connect(post(b"x" * 70_000)[:-1], b"x")
    assert wire.sent.startswith(b"HTTP/1.1 503")
    for hog in hogs:
        hog.connection_lost(None)
    assert port.server.buffered == 0


async def test_many_requests_in_one_piece_leave_others_their_turn(port: Port) -> None:
    """In order, a few at a time: eight thousand of /openapi.json held the loop for eight seconds, and 300 MB."""
    _, wire = port.connect(b"".join(post(b"x" * size) for size in range(100)))
    assert len(port.seen) == AT_ONCE
    for _ in range(100):
        await asyncio.sleep(0)
    assert re.findall(rb"\r\n\r\n([0-9]+)", wire.sent) == [b"%d" % size for size in range(100)]


@pytest.mark.parametrize("slow", [True, False])
async def test_what_waits_when_a_client_has_ended_is_answered(port: Port, slow: bool) -> None:
    """Behind a late answer, and behind many."""
    before = b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" if slow else post(b"") * AT_ONCE
    connection, wire = port.connect(before + post(b"a") + post(b"ab"))
    assert connection.eof_received()
    if slow:
        port.slow[0].set_result(Response(200, b"0"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert re.findall(rb"\r\n\r\n([0-9]+)", wire.sent)[-2:] == [b"1", b"2"]
    assert wire.closed


async def test_tiny_chunks_are_kept_as_one_body(port: Port) -> None:
    connection, _ = port.connect(CHUNKED + chunks(*[b"ab"] * 1000))
    assert len(connection._reader.message.pieces) == 2
    connection.data_received(chunks(b"c" * 20_000, *[b"ab"] * 200) + b"0\r\n\r\n")
    assert port.seen[0].body == b"ab" * 1000 + b"c" * 20_000 + b"ab" * 200


async def test_a_body_in_crumbs_is_refused(port: Port) -> None:
    """Before the rest of what came with it is looked at."""
    connection, wire = port.connect(CHUNKED + chunks(*[b"ab"] * 40_000))
    assert wire.sent.startswith(b"HTTP/1.1 400")
    assert b"1025 chunks of 2050 bytes together: send larger ones" in wire.sent
    assert (port.reasons, port.seen, connection._reader.message.parts) == (["malformed"], [], 0)


@pytest.mark.parametrize(
    "name", ["Transfer-Encoding: gzip, chunked", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked"]
)
async def test_a_compressed_body_is_refused_however_it_says_so(port: Port, name: str) -> None:
    """Read as it is, it would be somebody's garbage."""
    _, wire = port.connect(f"POST /p HTTP/1.1\r\nHost: a\r\n{name}\r\n\r\n".encode() + chunks(b"abc"))
    assert wire.sent.startswith(b"HTTP/1.1 415")
    assert (port.reasons, port.seen) == (["content_encoding"], [])


async def test_trailers_are_bounded_as_heads_are(port: Port) -> None:
    """They are read for nobody."""
    _, wire = port.connect(CHUNKED + chunks(b"abc") + b"0\r\n" + b"a: b\r\n" * 40_000)
    assert wire.sent.startswith(b"HTTP/1.1 431")
    assert (port.reasons, port.seen) == (["header_bytes"], [])


async def test_what_waits_for_its_answer_counts_until_it_is_there(port: Port) -> None:
    """Whether it is asked already or stands behind another one; nothing of it is kept afterwards."""
    connection, wire = port.connect(post(b"x" * 1000, path=b"/slow") + post(b"y" * 10, path=b"/slow") + post(b"z"))
    assert port.server.buffered == 1011
    port.slow[0].set_result(Response(200, b"first"))
    await asyncio.sleep(0)
    assert port.server.buffered == 11
    port.slow[1].set_result(Response(200, b"second"))
    await asyncio.sleep(0)
    assert wire.sent.endswith(b"1")
    assert (port.server.buffered, connection._reader.message.pieces) == (0, [])


async def test_a_client_that_leaves_leaves_nothing_behind(port: Port) -> None:
    connection, _ = port.connect(post(b"x" * 1000, path=b"/slow") + post(b"y" * 10) + post(b"abc")[:-1])
    connection.connection_lost(None)
    await asyncio.sleep(0)
    assert port.slow[0].cancelled()
    assert port.server.buffered == 0


async def test_a_large_body_is_not_read_for_a_stranger(port: Port) -> None:
    """A small one is, so that the connection can go on."""
    head = b"Authorization: wrong"
    _, wire = port.connect(post(b"x" * 70_000, head)[:-1])
    assert (wire.sent[:12], port.seen, port.server.buffered) == (b"HTTP/1.1 401", [], 0)
    _, wire = port.connect(post(b"x" * 1000, head))
    assert (wire.sent[:12], len(port.seen)) == (b"HTTP/1.1 200", 1)


async def test_a_server_that_leaves_sends_its_clients_elsewhere(port: Port) -> None:
    """With their next answer; who asks nothing is not cut off, since a request may be on its way."""
    (idle, quiet), (busy, wire) = port.connect(), port.connect(post(b"abc"))
    assert b"connection: close" not in wire.sent
    port.server.leave()
    busy.data_received(post(b"abc"))
    assert (wire.sent.count(b"HTTP/1.1 200"), b"connection: close" in wire.sent, wire.closed) == (2, True, True)
    assert not quiet.closed
    idle.data_received(post(b"abcd"))
    assert quiet.sent.endswith(b"connection: close\r\n\r\n4")


@pytest.mark.parametrize("more", [b"x", post(b"abc")])
async def test_what_follows_the_last_request_is_nobodys(more: bytes) -> None:
    """The client has said that it is the last one: it is answered, and nothing is refused or raised."""
    port = Port()
    _, wire = port.connect(post(b"abc", b"Connection: close") + more)
    assert wire.sent.count(b"HTTP/1.1 200") == 1
    assert b"400" not in wire.sent
    assert port.reasons == []


async def test_one_connection_that_fails_costs_no_other_its_answer() -> None:
    """Of those that are answered together."""
    server = HttpServer(
        lambda request: Response(200, b""),
        lambda status, text: Response(status, text.encode()),
        together=lambda requests: [Response(599 if one.body == b"bad" else 200, one.body) for one in requests],
    )

    def ask(body: bytes) -> Wire:
        connection, wire = Connection(server), Wire()
        connection.connection_made(wire)
        connection.data_received(post(body))
        return wire

    for _ in range(2):
        assert ask(b"abc").sent, "a head is parsed until it has come twice"
    wires = {body: ask(body) for body in (b"abc", b"bad", b"def")}
    assert not any(wire.sent for wire in wires.values()), "they wait for the turn's end"
    await asyncio.sleep(0)
    assert [body for body, wire in wires.items() if wire.sent.endswith(body)] == [b"abc", b"def"]
    assert [body for body, wire in wires.items() if wire.closed] == [b"bad"]


class Tls(Wire):
    """TLS cannot be half-closed: what is not written when the end has come is never sent."""

    def can_write_eof(self) -> bool:
        return False


async def test_what_is_answered_together_may_fail_as_a_whole() -> None:
    """Nobody waits for ever, and over TLS nobody's last request is lost."""
    failing = True

    def together(requests: Sequence[Request]) -> list[Response]:
        if failing:
            raise OSError("no log to write to")
        return [Response(200, one.body) for one in requests]

    server = HttpServer(
        lambda request: Response(200, b""),
        lambda status, text: Response(status, text.encode()),
        together=together,
    )

    def ask(body: bytes, wire: Wire) -> Connection:
        connection = Connection(server)
        connection.connection_made(wire)
        connection.data_received(post(body))
        return connection

    wires = [Wire() for _ in range(4)]
    for wire in wires:
        ask(b"abc", wire)
    await asyncio.sleep(0)
    assert [wire.sent[9:12] for wire in wires] == [b"200", b"200", b"500", b"500"], "two to learn the head"
    failing = False
    wire = Tls()
    assert ask(b"def", wire).eof_received() is False
    assert wire.sent.endswith(b"def")


async def test_a_client_is_told_to_continue_after_what_it_asked_before(port: Port) -> None:
    """Both in the same bytes."""
    expecting = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    _, wire = port.connect(post(b"abc") + expecting, b"abc")
    assert re.findall(rb"HTTP/1.1 ([0-9]+)", wire.sent) == [b"200", b"100", b"200"]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/v1/models/m", b"/v1/models/m", b""),
        ("http://host/v1/models/m", b"/v1/models/m", b""),
        ("HTTPS://user@host:8501/v1/models/m?since=http://b/c", b"/v1/models/m", b"since=http://b/c"),
        ("http://[::1]:80/v1", b"/v1", b""),
        ("http://host", b"/", b""),
        ("http://host?since=1", b"/", b"since=1"),
        ("/http://host/v1", b"/http://host/v1", b""),
        ("//host/v1", b"//host/v1", b""),
        ("ftp://host/v1", b"ftp://host/v1", b""),
        ("*", b"*", b""),
    ],
)
async def test_a_target_may_have_the_host_in_front_of_its_path(
    port: Port, target: str, path: bytes, query: bytes
) -> None:
    """As clients write it that take this for a proxy; a server must accept that. Also where the head is known."""
    head = f"GET {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode()
    connection, _ = port.connect(head)
    for _ in range(3):
        connection.data_received(head)
    assert [(one.path, one.query) for one in port.seen] == [(path, query)] * 4


@pytest.mark.parametrize(
    "head",
    [
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /p HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"POST /p HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
async def test_what_is_for_a_proxy_or_another_protocol_is_refused(port: Port, head: bytes) -> None:
    """Once, and before anything is made of it: the body would be the other protocol's."""
    _, wire = port.connect(head)
    assert re.findall(rb"HTTP/1.1 (\d+)", wire.sent) == [b"400"]
    assert (port.seen, port.reasons, wire.closed) == ([], ["malformed"], True)


async def test_a_client_is_refused_once(port: Port) -> None:
    """Whatever stands behind what was refused already, which waits for an answer before it."""
    refused = post(b"abc", b"Content-Encoding: gzip")
    _, wire = port.connect(post(b"x", path=b"/slow") + refused + b"\x00 no request")
    port.slow[0].set_result(Response(200, b"first"))
    await asyncio.sleep(0)
    assert port.reasons == ["content_encoding"]
    assert re.findall(rb"HTTP/1.1 (\d+)", wire.sent) == [b"200", b"415"]
