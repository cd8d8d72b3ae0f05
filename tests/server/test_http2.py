"""gRPC's transport: what every client may do, and every bound against one that means ill.

Upstream's clients are in test_tfserving_grpc.py; here a peer sends exactly what a test says.
"""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk_server.transport.http2 import frames as h2
from ropewalk_server.transport.http2.frames import Fault
from tests.effort import examples
from tests.polling import eventually_async
from tests.server.http2_peer import (
    BUG,
    EXHAUSTED,
    EXPIRED,
    INTERNAL,
    LATE_BUG,
    OK,
    SLOW,
    UNAVAILABLE,
    UNIMPLEMENTED,
    Peer,
    connected,
    data,
    framed,
    serving,
)


async def echoes(peer: Peer) -> None:
    """The connection is in order."""
    await peer.send(peer.call(b"still here"))
    answer = await peer.answer()
    assert (answer["message"], answer["grpc-status"]) == (b"still here", OK)


async def test_calls_in_a_row_and_at_once() -> None:
    """Each on its stream, with the handler's metadata."""
    async with serving() as (_, port), connected(port) as peer:
        await echoes(peer)
        await peer.send(*[peer.call(b"%d" % n) for n in range(100)])
        for n in range(100):
            answer = await peer.answer()
            assert (answer["message"], answer["mine"], answer[":status"]) == (b"%d" % n, "1", "200")
        await peer.send(peer.call(b""))
        assert (await peer.answer())["grpc-status"] == OK


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_bytes_arrive_in_pieces_of_any_size(step: int) -> None:
    """Frames and messages are put together again."""
    async with serving() as (_, port), connected(port) as peer:
        sent = peer.call(b"x" * 3000) + h2.frame(h2.PING, 0, 0, b"12345678") + peer.call(b"y" * 10)
        for at in range(0, len(sent), step):
            await peer.send(sent[at : at + step])
            if at < 50 * step:
                await asyncio.sleep(0)
        assert (await peer.answer())["message"] == b"x" * 3000
        assert (await peer.until(h2.PING)).payload == b"12345678"
        assert (await peer.answer())["message"] == b"y" * 10


async def test_padding_priority_and_continuation() -> None:
    """What gRPC's clients do not use and HTTP/2 allows."""
    async with serving() as (backend, port), connected(port) as peer:
        head = peer.head(stream=1, flags=0)[9:]
        padded = b"\x03" + b"\0\0\0\0\x10" + head[:5] + b"\0\0\0"
        await peer.send(
            h2.frame(h2.HEADERS, h2.PADDED | h2.PRIORITIZED, 1, padded),
            h2.frame(h2.CONTINUATION, 0, 1, head[5:9]),
            h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, head[9:]),
            h2.frame(h2.DATA, h2.PADDED, 1, b"\x02" + framed(b"hello")[:7] + b"\0\0"),
            h2.frame(h2.PRIORITY, 0, 1, b"\0\0\0\0\x10"),
            h2.frame(99, 0, 1, b"an extension"),
            data(1, framed(b"hello")[7:]),
            peer.block([("trailer", "yes")], 1, flags=h2.END_HEADERS | h2.END_STREAM),
        )
        assert (await peer.answer())["message"] == b"hello"
        assert backend.server.buffered == 0


@pytest.mark.parametrize(
    ("payload", "status", "words"),
    [
        (b"", INTERNAL, "0 bytes"),
        (b"\0\0\0", INTERNAL, "3 bytes"),
        (framed(b"hello")[:-1], INTERNAL, "9 bytes"),
        (framed(b"hello") + b"x", UNIMPLEMENTED, "more than one"),
        (framed(b"hello") * 2, UNIMPLEMENTED, "more than one"),
        (b"\1" + framed(b"hello")[1:], UNIMPLEMENTED, "Compressed"),
        (framed(b"x" * 1001), EXHAUSTED, "1001 bytes, at most 1000"),
    ],
)
@pytest.mark.parametrize("step", [1, 100_000])
async def test_messages_that_are_none(payload: bytes, status: str, words: str, step: int) -> None:
    """An error for this call only."""
    async with serving(max_body_bytes=1000) as (backend, port), connected(port) as peer:
        parts = [payload[at : at + step] for at in range(0, len(payload), step)] or [b""]
        frames = [data(1, part, flags=h2.END_STREAM * (n == len(parts) - 1)) for n, part in enumerate(parts)]
        await peer.send(peer.head(), *frames)
        answer = await peer.answer()
        assert (answer["stream"], answer["grpc-status"], answer["message"]) == (1, status, None)
        assert words in answer["grpc-message"]
        await peer.send(h2.frame(h2.PING, 0, 0, b"12345678"))
        await peer.until(h2.PING)
        await echoes(peer)
        assert backend.server.buffered == 0


async def test_a_message_that_is_too_large_is_refused_at_its_head() -> None:
    """And what still comes of it is let pass."""
    async with serving(max_body_bytes=1000) as (backend, port), connected(port) as peer:
        await peer.send(peer.head(), data(1, framed(b"x" * 2000)[:100]))
        assert (await peer.answer())["grpc-status"] == EXHAUSTED
        assert int.from_bytes((await peer.until(h2.RST_STREAM)).payload, "big") == Fault.NONE
        await peer.send(data(1, b"x" * 1000), data(1, b"x" * 905, flags=h2.END_STREAM))
        await echoes(peer)
        assert backend.rejected == ["body_bytes"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"_method": "GET"}, "405"),
        ({"content_type": "application/json"}, "415"),
        ({"content_type": "application/grpc-web"}, "415"),
        ({"content_type": "application/grpc+proto"}, "200"),
    ],
)
async def test_requests_that_are_not_grpc(more: dict[str, str], status: str) -> None:
    """HTTP's own answer."""
    async with serving() as (_, port), connected(port) as peer:
        await peer.send(peer.call(b"hello", **more))
        assert (await peer.answer())[":status"] == status
        await echoes(peer)


@pytest.mark.parametrize(
    "more",
    [
        {"_path": ""}, {"connection": "close"}, {"te": "gzip"}, {"_other": "x"}, {"content_length": "7"},
        {"content_length": "x"}, {"Upper": "case"},
    ],
)  # fmt: skip
async def test_malformed_requests_are_reset(more: dict[str, str]) -> None:
    """RFC 9113, 8.1.1: a stream error."""
    async with serving() as (_, port), connected(port) as peer:
        await peer.send(peer.call(b"hello", **more))
        assert (await peer.answer())["reset"] == Fault.PROTOCOL
        await echoes(peer)


async def test_headers_that_come_again() -> None:
    """Within a message, after it, and on a stream that is over."""
    async with serving() as (backend, port), connected(port) as peer:
        await peer.send(peer.head(), peer.block([("not", "the end")], 1, flags=h2.END_HEADERS))
        assert (await peer.answer())["reset"] == Fault.PROTOCOL
        await peer.send(peer.call(b"", SLOW), peer.block([("late", "1")], 3, flags=h2.END_HEADERS | h2.END_STREAM))
        assert (await peer.answer())["reset"] == Fault.STREAM_CLOSED
        await eventually_async(lambda: backend.waiting == 0)
        await peer.send(peer.head(flags=h2.END_HEADERS | h2.END_STREAM))
        assert (await peer.answer())["grpc-message"] == "The call has no message"
        await echoes(peer)
        await peer.send(peer.head(stream=5))
        assert (await peer.goaway())[1] == Fault.PROTOCOL


async def test_a_bug_of_a_handler_is_internal_and_tells_nothing() -> None:
    """And the connection goes on."""
    async with serving() as (_, port), connected(port) as peer:
        for path in (BUG, LATE_BUG):
            await peer.send(peer.call(b"", path))
            answer = await peer.answer()
            assert (answer["grpc-status"], answer["grpc-message"]) == (INTERNAL, "Internal error")
        await echoes(peer)


async def test_deadlines() -> None:
    """One that has passed already, one that passes while the call is computed, and one that is met."""
    async with serving() as (backend, port), connected(port) as peer:
        await peer.send(peer.call(b"", grpc_timeout="0n"))
        assert (await peer.answer())["grpc-status"] == EXPIRED
        began = time.monotonic()
        await peer.send(peer.call(b"", SLOW, grpc_timeout="50m"))
        assert (await peer.answer())["grpc-status"] == EXPIRED
        assert 0.04 < time.monotonic() - began < 2
        await asyncio.sleep(0)
        assert backend.waiting == 0
        await peer.send(peer.call(b"in time", SLOW, grpc_timeout="10S"))
        await eventually_async(lambda: backend.waiting)
        backend.release.set()
        assert (await peer.answer())["message"] == b"in time"


async def test_a_call_that_the_client_gives_up_is_cancelled() -> None:
    """By RST_STREAM, or by going away."""
    async with serving() as (backend, port), connected(port) as peer:
        await peer.send(peer.call(b"", SLOW), peer.call(b"", SLOW))
        await eventually_async(lambda: backend.waiting == 2)
        await peer.send(h2.reset(1, Fault.CANCEL))
        await eventually_async(lambda: backend.waiting == 1)
        await echoes(peer)
        peer.writer.close()
        await eventually_async(lambda: backend.waiting == 0 and not backend.server.connections)


async def test_answers_wait_for_the_windows() -> None:
    """Of the stream and of the connection."""
    async with serving() as (_, port), connected(port, h2.settings({h2.INITIAL_WINDOW: 10})) as peer:
        await peer.send(peer.call(b"x" * 95))
        assert len((await peer.until(h2.DATA)).payload) == 10
        await peer.send(h2.window_update(1, 40))
        assert len((await peer.until(h2.DATA)).payload) == 40
        await peer.send(h2.settings({h2.INITIAL_WINDOW: 30, h2.MAX_FRAME: 20000}))
        assert len((await peer.until(h2.DATA)).payload) == 20
        await peer.send(h2.window_update(1, 1000))
        assert len((await peer.until(h2.DATA)).payload) == 30
        assert (await peer.until(h2.HEADERS)).flags & h2.END_STREAM
    async with serving() as (_, port), connected(port, h2.settings({h2.INITIAL_WINDOW: 1 << 20})) as peer:
        await peer.send(peer.call(b"x" * 70_000), peer.call(b"y"))
        assert sum([len((await peer.until(h2.DATA)).payload) for _ in range(4)]) == h2.DEFAULT_WINDOW
        await peer.send(h2.window_update(0, 100_000))
        sizes = [len((await peer.until(h2.DATA)).payload) for _ in range(2)]
        assert sizes == [70_005 - h2.DEFAULT_WINDOW, 6]


async def test_windows_that_never_open_or_open_too_far() -> None:
    """The stream is given up."""
    no_window = h2.settings({h2.INITIAL_WINDOW: 0})
    async with serving(deadline_seconds=0.3) as (backend, port), connected(port, no_window) as peer:
        await peer.send(peer.call(b"hello"), peer.call(b"again"))
        for stream in (1, 3):
            found = await peer.until(h2.RST_STREAM)
            assert (found.stream, int.from_bytes(found.payload, "big")) == (stream, Fault.CANCEL)
        assert backend.server.buffered == 0
        await peer.send(peer.head(), h2.window_update(5, h2.LARGEST_WINDOW), h2.window_update(5, 1))
        found = await peer.until(h2.RST_STREAM)
        assert (found.stream, int.from_bytes(found.payload, "big")) == (5, Fault.FLOW_CONTROL)


async def test_a_client_without_a_header_table() -> None:
    """Is told that ours is empty before the next headers."""
    async with serving() as (_, port), connected(port, h2.settings({h2.HEADER_TABLE_SIZE: 0})) as peer:
        await peer.send(peer.call(b"1"), peer.call(b"2"))
        first = await peer.until(h2.HEADERS)
        assert first.payload[:2] == b"\x20\x88"
        await peer.until(h2.HEADERS)
        assert (await peer.until(h2.HEADERS)).payload[:1] == b"\x88"


BROKEN: list[tuple[str, Fault, list[bytes]]] = [
    ("DATA on a stream that was not opened", Fault.PROTOCOL, [data(1, b"x")]),
    ("an even stream", Fault.PROTOCOL, [h2.frame(h2.HEADERS, h2.END_HEADERS, 2)]),
    ("a header block that is interrupted", Fault.PROTOCOL,
     [h2.frame(h2.HEADERS, 0, 1), h2.frame(h2.PING, 0, 0, b"12345678")]),
    ("DATA within a header block", Fault.PROTOCOL, [h2.frame(h2.HEADERS, 0, 1), data(1, b"x")]),
    ("a continuation of nothing", Fault.PROTOCOL, [h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1)]),
    ("a continuation of another", Fault.PROTOCOL,
     [h2.frame(h2.HEADERS, 0, 1), h2.frame(h2.CONTINUATION, h2.END_HEADERS, 3)]),
    ("headers that are none", Fault.COMPRESSION, [h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"\xff" * 10)]),
    ("an index that there is not", Fault.COMPRESSION, [h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"\xfe")]),
    ("a header of 40 KiB", Fault.CALM,
     [h2.frame(h2.HEADERS, 0, 1, b"x" * 16000), *[h2.frame(h2.CONTINUATION, 0, 1, b"x" * 16000)] * 3]),
    ("padding beyond the frame", Fault.PROTOCOL, [h2.frame(h2.HEADERS, h2.PADDED | h2.END_HEADERS, 1, b"\x09abc")]),
    ("padding of nothing", Fault.PROTOCOL, [h2.frame(h2.DATA, h2.PADDED, 1)]),
    ("a frame of 2 MiB", Fault.FRAME_SIZE, [h2.FRAME_HEAD.pack(0x2000, 0, h2.DATA, 0, 1)]),
    ("a PING of 1 MiB", Fault.FRAME_SIZE, [h2.FRAME_HEAD.pack(0x1000, 0, h2.PING, 0, 0)]),
    ("a short PING", Fault.FRAME_SIZE, [h2.frame(h2.PING, 0, 0, b"1234")]),
    ("a PING on a stream", Fault.PROTOCOL, [h2.frame(h2.PING, 0, 1, b"12345678")]),
    ("SETTINGS of 5 bytes", Fault.FRAME_SIZE, [h2.frame(h2.SETTINGS, 0, 0, b"12345")]),
    ("SETTINGS on a stream", Fault.PROTOCOL, [h2.frame(h2.SETTINGS, 0, 1)]),
    ("a window beyond 2^31", Fault.FLOW_CONTROL, [h2.settings({h2.INITIAL_WINDOW: 1 << 31})]),
    ("a frame size out of range", Fault.PROTOCOL, [h2.settings({h2.MAX_FRAME: 100})]),
    ("a push that is neither on nor off", Fault.PROTOCOL, [h2.settings({h2.ENABLE_PUSH: 2})]),
    ("a push from a client", Fault.PROTOCOL, [h2.frame(h2.PUSH_PROMISE, 0, 1)]),
    ("no window at all", Fault.PROTOCOL, [h2.window_update(0, 0)]),
    ("a window that overflows", Fault.FLOW_CONTROL, [h2.window_update(0, h2.LARGEST_WINDOW)]),
    ("a window of a stream that was not opened", Fault.PROTOCOL, [h2.window_update(7, 1)]),
    ("a reset of a stream that was not opened", Fault.PROTOCOL, [h2.reset(7, Fault.CANCEL)]),
    ("a stream that depends on itself", Fault.PROTOCOL, [h2.frame(h2.PRIORITY, 0, 3, b"\0\0\0\3\0")]),
    ("GOAWAY on a stream", Fault.PROTOCOL, [h2.frame(h2.GOAWAY, 0, 1, b"\0" * 8)]),
    ("a flood of PINGs", Fault.CALM, [h2.frame(h2.PING, 0, 0, b"12345678")] * 1200),
    ("a flood of SETTINGS", Fault.CALM, [h2.settings({})] * 1200),
]  # fmt: skip


@pytest.mark.parametrize(("what", "fault", "frames"), BROKEN, ids=[one[0] for one in BROKEN])
async def test_what_ends_a_connection(what: str, fault: Fault, frames: list[bytes]) -> None:
    """With the right code, and the next client is served."""
    async with serving() as (_, port):
        async with connected(port) as peer:
            await peer.send(*frames)
            assert (await peer.goaway())[1] == fault
        async with connected(port) as peer:
            await echoes(peer)


async def test_floods_within_streams() -> None:
    """Empty DATA, resets of calls before their message, and frames on streams that are over."""
    async with serving() as (backend, port):
        async with connected(port) as peer:
            await peer.send(peer.head(), *[data(1, b"")] * 1200)
            assert (await peer.goaway())[1] == Fault.CALM
        async with connected(port) as peer:
            for _ in range(1200):
                peer.writer.write(peer.head() + h2.reset(peer.next - 2, Fault.CANCEL))
            assert (await peer.goaway())[1] == Fault.CALM
        async with connected(port) as peer:
            await peer.send(peer.call(b"x"), *[data(1, b"y")] * 1200)
            assert (await peer.goaway())[1] == Fault.CALM
        assert backend.rejected == ["flood"] * 3
        assert backend.server.buffered == 0
        async with connected(port) as peer:
            await echoes(peer)


async def test_as_many_calls_at_once_as_are_announced() -> None:
    """The next one is refused, which clients try again by themselves."""
    async with serving(max_streams=3) as (backend, port), connected(port) as peer:
        announced = (await peer.until(h2.SETTINGS)).payload
        assert (h2.MAX_STREAMS, 3) in list(h2.SETTING.iter_unpack(announced))
        await peer.send(*[peer.call(b"", SLOW) for _ in range(4)])
        refused = await peer.answer()
        assert (refused["stream"], refused["reset"]) == (7, Fault.REFUSED)
        backend.release.set()
        assert sorted([(await peer.answer())["stream"] for _ in range(3)]) == [1, 3, 5]


async def test_memory_for_messages_is_bounded_over_all_connections() -> None:
    """Many large messages that are not complete: the one too many is told so."""
    part = b"x" * (1 << 20)
    async with serving(max_body_bytes=16 << 20) as (backend, port), connected(port) as one, connected(port) as other:
        for peer in (one, other):
            await peer.send(peer.head(), peer.head())
            for stream in (1, 3):
                await peer.send(data(stream, framed(part * 16)[: 1 << 20]), *[data(stream, part)] * 14)
        await eventually_async(lambda: backend.server.buffered == 60 << 20)
        await other.send(other.head(), data(5, framed(part * 16)[: 1 << 20]), *[data(5, part)] * 6)
        answer = await other.answer()
        assert (answer["stream"], answer["grpc-status"]) == (5, UNAVAILABLE)
        assert backend.rejected == ["buffered_bytes"]
        one.writer.close()
        other.writer.close()
        await eventually_async(lambda: backend.server.buffered == 0)


async def test_what_does_not_arrive_in_time() -> None:
    """A message, a frame, a preface; and a connection that nobody uses."""
    async with serving(deadline_seconds=0.3, header_seconds=0.3, idle_seconds=1.0) as (_, port):
        async with connected(port) as peer:
            await peer.send(peer.head(), data(1, framed(b"hello")[:7]))
            answer = await peer.answer()
            assert (answer["grpc-status"], "0.3 s" in answer["grpc-message"]) == (EXPIRED, True)
            await echoes(peer)
            await peer.send(h2.frame(h2.PING, 0, 0, b"12345678")[:10])
            assert (await peer.goaway())[1] == Fault.PROTOCOL
        async with connected(port, h2.settings({})[:3]) as peer:
            assert (await peer.goaway())[1] == Fault.PROTOCOL
        async with connected(port) as peer:
            await echoes(peer)
            assert await peer.goaway() == (1, Fault.NONE, "Idle")


async def test_a_client_that_does_not_read() -> None:
    """Is not read from either, and is cut off in the end."""
    async with serving(deadline_seconds=0.5) as (backend, port):
        wide = {h2.INITIAL_WINDOW: h2.LARGEST_WINDOW}
        async with connected(port, h2.settings(wide), h2.window_update(0, 1 << 30)) as peer:
            message = b"x" * (1 << 20)
            for _ in range(30):
                peer.writer.write(peer.call(message))
            await eventually_async(lambda: not backend.server.connections)
            assert backend.server.buffered == 0


async def test_another_protocol_on_this_port() -> None:
    """Ends with a word on what is spoken here."""
    async with serving() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(5):
            assert b"speaks gRPC" in await reader.read()
        writer.close()


async def test_too_many_connections() -> None:
    """The one too many is told so."""
    async with serving(max_connections=1) as (backend, port), connected(port) as first:
        await echoes(first)
        async with connected(port) as second:
            assert (await second.goaway())[1] == Fault.REFUSED
        await echoes(first)
        assert backend.rejected == ["connections"]


async def test_a_drain_answers_what_is_in_flight() -> None:
    """Clients are sent elsewhere first; then new calls are refused, and the last answer ends the connection."""
    async with serving() as (backend, port), connected(port) as peer:
        await peer.send(peer.call(b"late", SLOW))
        await eventually_async(lambda: backend.waiting == 1)
        backend.server.leave()
        assert (await peer.until(h2.GOAWAY)).payload[:8] == h2.LARGEST_WINDOW.to_bytes(4, "big") + b"\0\0\0\0"
        await echoes(peer)
        stopping = asyncio.ensure_future(backend.server.stop(grace_seconds=5.0))
        await asyncio.sleep(0)
        await peer.send(peer.call(b"new"))
        assert (await peer.answer())["reset"] == Fault.REFUSED
        backend.release.set()
        assert (await peer.answer())["message"] == b"late"
        assert (await peer.goaway())[1:] == (Fault.NONE, "Shutting down")
        await stopping
        assert not backend.server.connections


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_any_bytes_end_in_order(chunks: list[bytes], as_frames: bool) -> None:
    """Whatever comes after the preface: the server neither fails nor keeps anything."""

    async def run() -> None:
        async with serving() as (backend, port):
            async with connected(port) as peer:
                for chunk in chunks:
                    if as_frames:
                        kind, flags = (chunk + b"\0\0")[0] % 11, (chunk + b"\0\0")[1]
                        await peer.send(h2.frame(kind, flags, len(chunk) % 5, chunk[2:]))
                    else:
                        await peer.send(chunk)
                peer.writer.write_eof()
                while await peer.frame() is not None:
                    pass
            await eventually_async(lambda: not backend.server.connections)
            assert backend.server.buffered == 0

    asyncio.run(run())
