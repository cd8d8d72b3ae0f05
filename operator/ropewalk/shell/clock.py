"""Time as the work queue sees it, so that tests pass it without waiting."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that only grow, and a wait that ends with an event or after some of them."""

    def __call__(self) -> float:
        """Now, in seconds since an arbitrary point in time."""

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        """Return when `event` is set or `seconds` have passed; None: only when it is set."""


class SystemClock:
    """The clock of this machine."""

    def __call__(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        """Wait in the event loop."""
        try:
            async with asyncio.timeout(seconds):  # wait_for of Python 3.11 may swallow a cancellation
                await event.wait()
        except TimeoutError:
            pass
