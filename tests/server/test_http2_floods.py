"""gRPC's transport: work and memory that a connection causes with few bytes, and what it cannot take from others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest

from ropewalk_server.transport.http2 import frames as h2
from ropewalk_server.transport.http2.connection import Connection
from ropewalk_server.transport.http2.flow_control import Sender
from ropewalk_server.transport.http2.frame_reader import AT_ONCE
from ropewalk_server.transport.http2.frames import Fault
from ropewalk_server.transport.http2.rpc import Code, Head, Reply, failure
from ropewalk_server.transport.http2.server import GrpcServer
from ropewalk_server.transport.limits import REASONS
from tests.polling import eventually_async
from tests.server.http2_peer import SLOW, UNAVAILABLE, Peer, connected, data, framed, serving
from tests.server.wire import Wire


class Reading(Wire):
    """Remembers whether its protocol reads."""

    reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


def calls(numbers: Iterable[int]) -> list[bytes]:
    """Whole calls, each with its number as message; between any two of them a PING with it."""
    peer = Peer(None, None)  # type: ignore[arg-type]
    return [peer.call(b"%8d" % n) + h2.frame(h2.PING, 0, 0, b"%8d" % n) for n in numbers]


@pytest.mark.parametrize("cut", [0, 5000, -3])
async def test_many_calls_in_one_piece_leave_others_their_turn(cut: int) -> None:
    """In order, a few at a time, and nothing more is read meanwhile: five thousand held the loop for 180 ms."""
    seen: list[bytes] = []

    def echo(head: Head, message: bytes) -> Reply:
        seen.append(message)
        return Reply(message)

    server = GrpcServer(echo)
    connection, wire = Connection(server, asyncio.get_running_loop()), Reading()
    other, others_wire = Connection(server, asyncio.get_running_loop()), Reading()
    for one, its in ((connection, wire), (other, others_wire)):
        one.connection_made(its)
        one.data_received(h2.PREFACE + h2.settings({}))
    once, twice, *more = calls([200, 201, *range(100)])
    connection.data_received(once + twice)  # so that the head is known
    del seen[:]
    sent = b"".join(more)
    connection.data_received(sent[:cut] if cut else sent)
    assert (seen, wire.reads) == ([b"%8d" % n for n in range(AT_ONCE)], False)
    other.data_received(b"".join(calls(range(100, 101))))
    assert seen[AT_ONCE:] == [b"%8d" % 100], "before what waits"
    if cut:
        connection.data_received(sent[cut:])  # as TLS does, which had it already
        assert len(seen) == AT_ONCE + 1
    for _ in range(100):
        await asyncio.sleep(0)
    numbers = [b"%8d" % n for n in range(100)]
    assert [one for one in seen if one != b"%8d" % 100] == numbers
    assert wire.reads
    pings = [h2.frame(h2.PING, h2.ACK, 0, number) for number in numbers]
    order = [wire.sent.index(frame) for n in range(100) for frame in (numbers[n] + b"\0\0", pings[n])]
    assert order == sorted(order)


async def test_calls_whose_heads_are_new_are_fewer_at_once() -> None:
    """A head that came before costs nothing, another one up to three milliseconds."""
    server = GrpcServer(lambda head, message: Reply(message))
    connection, wire = Connection(server, asyncio.get_running_loop()), Reading()
    connection.connection_made(wire)
    peer = Peer(None, None)  # type: ignore[arg-type]
    sent = [peer.call(b"%8d" % n, x=f"{n}" * 1000) for n in range(20)]
    connection.data_received(b"".join([h2.PREFACE, h2.settings({}), *sent]))
    assert wire.sent.count(b"grpc-status") == AT_ONCE // 4
    for _ in range(10):
        await asyncio.sleep(0)
    assert wire.sent.count(b"grpc-status") == 20


async def test_what_waits_when_a_client_has_ended_is_answered() -> None:
    """It has said all, and wants to hear all."""
    async with serving() as (_, port), connected(port) as peer:
        peer.writer.write(b"".join([peer.call(b"%d" % n) for n in range(100)]))
        peer.writer.write_eof()
        for n in range(100):
            assert (await peer.answer())["message"] == b"%d" % n


async def test_what_waits_when_the_server_ends_is_answered() -> None:
    """It was received before; and nothing of it is kept when it has been."""
    server = GrpcServer(lambda head, message: Reply(message))
    connection, wire = Connection(server, asyncio.get_running_loop()), Reading()
    connection.connection_made(wire)
    connection.data_received(b"".join([h2.PREFACE, h2.settings({}), *calls(range(60))]))
    assert connection._reader._rest[0]
    server.draining = True
    connection.flush()
    for _ in range(20):
        await asyncio.sleep(0)
    for n in range(60):
        assert b"%8d" % n in wire.sent
    assert wire.sent.endswith(b"Shutting down")
    assert not connection._reader._rest[0]


async def test_what_waits_behind_a_fault_is_nobodys() -> None:
    """And the connection reads again, to see its client go."""
    server = GrpcServer(lambda head, message: Reply(message))
    connection, wire = Connection(server, asyncio.get_running_loop()), Reading()
    connection.connection_made(wire)
    wrong = h2.frame(h2.PING, 0, 0, b"short")
    connection.data_received(b"".join([h2.PREFACE, h2.settings({}), *calls(range(20)), wrong, *calls(range(20, 60))]))
    for _ in range(10):
        await asyncio.sleep(0)
    assert b"%8d" % 19 in wire.sent
    assert b"PING has 8 bytes" in wire.sent
    assert b"%8d" % 20 not in wire.sent
    assert wire.reads


async def test_what_waits_stands_still_while_the_client_does_not_read() -> None:
    """Answers would gather without end."""
    server = GrpcServer(lambda head, message: Reply(message))
    connection, wire = Connection(server, asyncio.get_running_loop()), Reading()
    connection.connection_made(wire)
    connection.data_received(b"".join([h2.PREFACE, h2.settings({}), *calls(range(40))]))
    connection.pause_writing()
    for _ in range(10):
        await asyncio.sleep(0)
    assert b"%8d" % AT_ONCE not in wire.sent
    assert not wire.reads
    connection.resume_writing()
    for _ in range(10):
        await asyncio.sleep(0)
    assert b"%8d" % 39 in wire.sent
    assert wire.reads


async def test_settings_count_one_by_one() -> None:
    """A frame with as many as fit is as much work as a flood of frames."""
    many = h2.frame(h2.SETTINGS, 0, 0, h2.SETTING.pack(h2.INITIAL_WINDOW, 10) * 2730)
    async with serving() as (backend, port), connected(port) as peer:
        await peer.send(many)
        assert (await peer.goaway())[1] == Fault.CALM
        assert backend.rejected == ["flood"]


async def test_the_last_value_of_a_setting_holds() -> None:
    """Within a frame, where only that one is looked at."""
    values = [(h2.INITIAL_WINDOW, 0), (h2.MAX_FRAME, 20_000), (h2.INITIAL_WINDOW, 10)]
    first = h2.frame(h2.SETTINGS, 0, 0, b"".join(h2.SETTING.pack(*one) for one in values))
    async with serving() as (_, port), connected(port, first) as peer:
        await peer.send(peer.call(b"x" * 95))
        assert len((await peer.until(h2.DATA)).payload) == 10


def test_windows_that_grow_again_and_again_move_the_waiting_answers_once() -> None:
    """However many frames come at once: each of them would look at all that waits."""
    sender = Sender()
    sender.set_initial(0)
    for stream in (1, 3):
        assert not sender.answer(stream, Reply(b"hello"), 0, 0.0)
    written = len(sender.out)
    for size in (1, 2, 100):
        sender.set_initial(size)
        sender.grant(1)
    assert len(sender.out) == written
    assert sender.move() == [1, 3]


async def test_what_is_not_grpc_is_answered_at_its_head() -> None:
    """Nothing of its body is kept or counted, however long it goes on."""
    async with serving() as (backend, port), connected(port) as peer:
        await peer.send(peer.head(content_type="application/json"), data(1, b"x" * 1000))
        answer = await peer.answer()
        assert (answer[":status"], backend.server.buffered) == ("415", 0)
        assert int.from_bytes((await peer.until(h2.RST_STREAM)).payload, "big") == Fault.NONE
        await peer.send(*[data(1, b"x" * 1000)] * 50, peer.call(b"still here"))
        assert (await peer.answer())["message"] == b"still here"
        assert backend.server.buffered == 0


async def test_small_calls_are_answered_while_large_ones_fill_the_memory() -> None:
    """On every other connection; a large one is refused there."""
    part = b"x" * (1 << 20)
    async with serving(max_body_bytes=16 << 20) as (backend, port), connected(port) as hog, connected(port) as other:
        await hog.send(*[hog.head() for _ in range(4)])
        for stream in (1, 3, 5, 7):
            await hog.send(data(stream, framed(part * 16)[: 1 << 20]), *[data(stream, part)] * 14)
        await hog.send(*[data(stream, part) for stream in (1, 3, 5)], data(7, part[:-100]))
        await eventually_async(lambda: backend.server.buffered == (64 << 20) - 100)
        await other.send(other.call(b"x" * 60_000))
        assert (await other.answer())["message"] == b"x" * 60_000
        await other.send(other.call(b"x" * 70_000))
        assert (await other.answer())["grpc-status"] == UNAVAILABLE
        hog.writer.close()
        await eventually_async(lambda: backend.server.buffered == 0)


async def test_what_waits_for_its_answer_still_counts() -> None:
    """Until that is there."""
    async with serving() as (backend, port), connected(port) as peer:
        await peer.send(peer.call(b"x" * 1000, SLOW))
        await eventually_async(lambda: backend.waiting == 1)
        assert backend.server.buffered == 1005
        backend.release.set()
        assert (await peer.answer())["message"] == b"x" * 1000
        assert backend.server.buffered == 0


async def test_a_stranger_is_refused_before_the_whole_message_is_there() -> None:
    """By the head of the call; a small message that is there at once goes to the handler, which asks as well."""
    async with serving() as (backend, port), connected(port) as peer:
        backend.server.admit = lambda head: failure(Code.UNAUTHENTICATED, "who?") if head.path != b"/open" else None
        await peer.send(peer.head(), data(1, framed(b"x" * 1000)[:10]))
        assert (await peer.answer())["grpc-message"] == "who?"
        assert backend.server.buffered == 0


async def test_a_message_in_crumbs_is_a_flood() -> None:
    """One of a few is not, as clients send it whose buffer is small."""
    async with serving() as (backend, port), connected(port) as peer:
        message = framed(b"x" * 200)
        pieces = [data(1, message[at : at + 1], flags=0) for at in range(len(message))]
        await peer.send(peer.head(), *pieces, data(1, b"", flags=h2.END_STREAM))
        assert (await peer.answer())["message"] == b"x" * 200
        message = framed(b"x" * 5000)
        await peer.send(peer.head(), *[data(3, message[at : at + 1], flags=0) for at in range(2000)])
        await eventually_async(lambda: "flood" in backend.rejected)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (lambda peer: [peer.head(), data(1, b"\1" + framed(b"hello")[1:])], "content_encoding"),
        (lambda peer: [peer.call(b"", grpc_timeout="0n")], "deadline"),
        (lambda peer: [peer.call(b"", SLOW, grpc_timeout="10m")], "deadline"),
        (lambda peer: [peer.head(), data(1, framed(b"hello")[:7])], "receive_time"),
        (lambda peer: [h2.frame(h2.PING, 0, 0, b"12345678")[:10]], "receive_time"),
        (lambda peer: [peer.head(), peer.head(), peer.head()], "streams"),
        (lambda peer: [peer.head(x="y" * 9000)], "header_bytes"),
        (lambda peer: [h2.frame(h2.HEADERS, 0, 1, b"x" * 9000), h2.frame(h2.CONTINUATION, 0, 1)], "header_bytes"),
    ],
)
async def test_every_limit_is_counted_by_its_reason(sent: Callable[[Peer], list[bytes]], reason: str) -> None:
    """One that /metrics has from the start."""
    limits = {"deadline_seconds": 0.3, "header_seconds": 0.3, "max_streams": 2, "max_header_bytes": 8192}
    async with serving(**limits) as (backend, port), connected(port) as peer:
        await peer.send(*sent(peer))
        await eventually_async(lambda: reason in backend.rejected)
        assert set(backend.rejected) <= set(REASONS)
