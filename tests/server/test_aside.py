"""What is read and written beside the event loop: what waits for it is bounded, and let go once it is over."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ropewalk_server.limits import Limits
from ropewalk_server.protocols.jsonbody import BadRequest
from ropewalk_server.protocols.unpacking import Unpacking


class Octets(bytearray):
    """A body, or what became of it, that can be looked for."""


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Without the garbage collector: what is left is in a cycle."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def plainly(document: Octets) -> None:
    """Refuse it."""
    raise BadRequest(f"{len(document)} bytes are too many")


def on_second_thought(document: Octets) -> None:
    """Refuse it for what another has found."""
    try:
        int(document.decode())
    except ValueError:
        raise BadRequest(f"{len(document)} bytes are no number") from None


@pytest.mark.parametrize("refuse", [plainly, on_second_thought])
async def test_a_request_that_is_refused_is_let_go_at_once(uncollected: None, refuse: Callable[[Octets], None]) -> None:
    """Neither its body nor what became of it waits for the garbage collector."""
    unpacking = Unpacking(any_predictor())
    left: list[weakref.ref[Octets]] = []

    async def ask() -> None:
        body = Octets(b"body")
        left.append(weakref.ref(body))

        def decode() -> None:
            document = Octets(body)
            left.append(weakref.ref(document))
            refuse(document)

        with pytest.raises(BadRequest):
            await unpacking.read(None, 0.0, 10, decode)

    await asyncio.ensure_future(ask())
    await unpacking.read(None, 0.0, 10, int)  # the thread holds the last one
    assert [one() for one in left] == [None, None]


def any_predictor() -> Any:
    """What is asked of one."""
    return SimpleNamespace(limits=Limits())
