"""Bodies that arrive in pieces take the memory that they have bytes, and their share of what there is."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk_server.transport.buffers import JOINED_BYTES, SHARE_BYTES, Share, keep, whole
from ropewalk_server.transport.limits import Limits


@given(st.lists(st.binary(max_size=40).map(lambda some: some * 200)))
def test_a_body_is_its_pieces(pieces: list[bytes]) -> None:
    kept: list[bytes | bytearray] = []
    for piece in pieces:
        keep(kept, piece)
    assert whole(kept) == b"".join(pieces)
    assert type(whole(kept)) is bytes


@pytest.mark.parametrize("size", [1, 2, 100, JOINED_BYTES, 50_000])
def test_small_pieces_take_no_more_memory_than_large_ones(size: int) -> None:
    kept: list[bytes | bytearray] = []
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1_000_000 // size):
            keep(kept, (b"%d" % (number % 10)) * size)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken < 1_300_000


class Port:
    """Room for four bodies of 16 MiB."""

    def __init__(self) -> None:
        self.limits = Limits(max_body_bytes=16 << 20)
        self.buffered = 0


def test_where_the_memory_is_full_a_connection_still_has_its_share() -> None:
    port = Port()
    hog, other = Share(port), Share(port)
    hog.hold(port.limits.max_buffered_bytes)
    other.hold(SHARE_BYTES)
    assert (hog.exceeded, other.exceeded) == (True, False)
    other.hold(1)
    assert other.exceeded
    hog.release(SHARE_BYTES + 1)
    assert not other.exceeded
