"""Waiting for something to become true, in one place: `eventually` and, in an event loop, `eventually_async`.

This is the only file of the tests that sleeps (tests/rules/test_test_files.py).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class NotYet(AssertionError):
    """The condition did not hold in time; the message has the last value that was seen."""


def eventually(
    look: Callable[[], T], *, until: Callable[[T], bool] = bool, seconds: float = 60, pause: float = 0.2
) -> T:
    """Call `look` every `pause` seconds until `until(its result)` holds and return that result.

    Raises NotYet with the last result after `seconds`.
    """
    end = time.monotonic() + seconds
    while not until(seen := look()):
        if time.monotonic() > end:
            raise NotYet(_message(seconds, seen))
        time.sleep(pause)
    return seen


async def eventually_async(
    look: Callable[[], T | Awaitable[T]],
    *,
    until: Callable[[T], bool] = bool,
    seconds: float = 5,
    pause: float = 0.005,
) -> T:
    """The same in an event loop, which runs meanwhile; a coroutine function is awaited."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        seen: T = await found if isinstance(found, Awaitable) else found
        if until(seen):
            return seen
        if time.monotonic() > end:
            raise NotYet(_message(seconds, seen))
        await asyncio.sleep(pause)


def throughout(look: Callable[[], T], *, seconds: float, until: Callable[[T], bool] = bool, pause: float = 0.2) -> None:
    """Assert that `until(look())` holds for all of `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen = look()
        assert until(seen), f"changed; last seen: {seen}"
        time.sleep(pause)


def simulate_work(seconds: float) -> None:
    """Take that long, as the thread of an engine does whose call has this cost."""
    time.sleep(seconds)


def _message(seconds: float, seen: object) -> str:
    text = json.dumps(seen, indent=1, default=str)
    return f"not within {seconds:g} s; last seen: {text[-6000:]}"
