"""gRPC's transport: work and memory that a connection causes with few bytes, and what it cannot take from others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ropewalk_server import http2_frames as h2
from ropewalk_server.http2_frames import Fault
from ropewalk_server.http2_sender import Sender
from ropewalk_server.limits import REASONS
from ropewalk_server.rpc import Code, Reply, failure
from tests.server.http2_peer import SLOW, Peer, connected, data, framed, serving
from tests.server.test_http2 import UNAVAILABLE, eventually


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
        await eventually(lambda: backend.server.buffered == (64 << 20) - 100)
        await other.send(other.call(b"x" * 60_000))
        assert (await other.answer())["message"] == b"x" * 60_000
        await other.send(other.call(b"x" * 70_000))
        assert (await other.answer())["grpc-status"] == UNAVAILABLE
        hog.writer.close()
        await eventually(lambda: backend.server.buffered == 0)


async def test_what_waits_for_its_answer_still_counts() -> None:
    """Until that is there."""
    async with serving() as (backend, port), connected(port) as peer:
        await peer.send(peer.call(b"x" * 1000, SLOW))
        await eventually(lambda: backend.waiting == 1)
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
        await eventually(lambda: "flood" in backend.rejected)


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
        await eventually(lambda: reason in backend.rejected)
        assert set(backend.rejected) <= set(REASONS)
