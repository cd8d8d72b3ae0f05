"""gRPC's transport: work and memory that one connection can cause with few bytes, and what it cannot take from others."""

from __future__ import annotations

from ropewalk_server import http2_frames as h2
from ropewalk_server.http2_frames import Fault
from ropewalk_server.http2_sender import Sender
from ropewalk_server.rpc import Reply
from tests.server.http2_peer import connected, serving


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
