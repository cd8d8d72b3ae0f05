"""Threads for work that would block the event loop: large requests to be read, large answers to be written.

The loop answers others meanwhile. A predictor has one for all its protocols, so that what waits is bounded once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ropewalk_server.serving.processors import processors

T = TypeVar("T")


class Offload:
    """The threads, and how many requests wait to be read by them or are, with their bodies' bytes."""

    def __init__(self) -> None:
        self.reading = self.reading_bytes = 0
        self._pool = ThreadPoolExecutor(processors(), thread_name_prefix="offload")
        self._counting = threading.Lock()

    def run(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """The result of `work`. It is let go at once if the future is cancelled before a thread has come to it."""
        return asyncio.wrap_future(self._submit(work))

    def read(self, decode: Callable[[], T], size: int) -> asyncio.Future[T]:
        """As `run`, of a body of `size` bytes: it counts as long as a thread has it, though nobody waits any more."""
        with self._counting:
            self.reading += 1
            self.reading_bytes += size

        def ended(_: Future[T]) -> None:
            with self._counting:
                self.reading -= 1
                self.reading_bytes -= size

        made = self._submit(decode)
        made.add_done_callback(ended)
        return asyncio.wrap_future(made)

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        held = [work]  # the pool's queue keeps what is cancelled until a thread comes to it
        made = self._pool.submit(lambda: held.pop()())
        made.add_done_callback(lambda _: held.clear())
        return made

    def stop(self) -> None:
        """Begin nothing any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
