"""Requests that take long to read, by their images or their size, in threads: the loop answers others meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ropewalk_server.predictor import Loaded, Predictor, Refused
from ropewalk_server.processors import processors
from ropewalk_server.protocols.jsonbody import BadRequest

T = TypeVar("T")


class Unpacking:
    """The threads, and how much waits for them: as many requests as may wait for an engine, and their bodies' bytes."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._pool = ThreadPoolExecutor(processors(), thread_name_prefix="unpack")
        self._waiting = 0
        self._bytes = 0

    async def read(self, loaded: Loaded | None, began: float, size: int, decode: Callable[[], T]) -> T:
        """What `decode` makes of a body of `size` bytes, for this version if it is for one. Raises its BadRequest, and
        Refused if too much waits, or for too long."""
        predictor, limits = self._predictor, self._predictor.limits
        if self._waiting >= limits.max_concurrency or self._bytes + size > limits.max_buffered_bytes:
            predictor.reject("concurrency")
            message = f"{self._waiting} large requests are waiting or being read already; try again later"
            raise self._refused(loaded, began, Refused(429, message))
        self._waiting += 1
        self._bytes += size
        try:
            decoding = asyncio.get_running_loop().run_in_executor(self._pool, _made, decode)
            made = await asyncio.wait_for(decoding, limits.deadline_seconds)
        except TimeoutError:
            predictor.reject("deadline")
            message = f"Reading the request took longer than {limits.deadline_seconds:g} s"
            raise self._refused(loaded, began, Refused(504, message)) from None
        finally:
            self._waiting -= 1
            self._bytes -= size
        if not isinstance(made, BadRequest):
            return made
        try:
            raise made
        finally:
            del made, decoding

    def _refused(self, loaded: Loaded | None, began: float, why: Refused) -> Refused:
        return why if loaded is None else self._predictor.failed(loaded, began, why)


def _made(decode: Callable[[], T]) -> T | BadRequest:
    """What comes of it, the mistake of a client too: in a future its traceback, and that of what led to it, would keep
    the document that was read, tens of megabytes, in a cycle with those who wait for it, until the garbage collector
    comes."""
    try:
        return decode()
    except BadRequest as wrong:
        wrong.__context__ = wrong.__cause__ = None
        return wrong.with_traceback(None)
