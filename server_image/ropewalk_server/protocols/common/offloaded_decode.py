"""Requests that take long to read, by their images or their size, in threads: the loop answers others meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import Loaded, Refused

T = TypeVar("T")


async def read(predictor: Predictor, loaded: Loaded | None, began: float, size: int, decode: Callable[[], T]) -> T:
    """What `decode` makes of a body of `size` bytes, for this version if it is for one. Raises its BadRequest, and
    Refused where as many wait as may for an engine, or as many bytes, and at the deadline."""
    limits, offload = predictor.limits, predictor.offload
    if offload.reading >= limits.max_concurrency or offload.reading_bytes + size > limits.max_buffered_bytes:
        predictor.reject("concurrency")
        message = f"{offload.reading} large requests are waiting or being read already; try again later"
        raise _refused(predictor, loaded, began, Refused(429, message))
    decoding = offload.read(partial(_made, decode), size)
    try:
        made = await asyncio.wait_for(decoding, began + limits.deadline_seconds - time.perf_counter())
    except TimeoutError:
        predictor.reject("deadline")
        message = f"Reading the request took longer than {limits.deadline_seconds:g} s"
        raise _refused(predictor, loaded, began, Refused(504, message)) from None
    if not isinstance(made, BadRequest):
        return made
    try:
        raise made
    finally:
        del made, decoding


def _refused(predictor: Predictor, loaded: Loaded | None, began: float, why: Refused) -> Refused:
    return why if loaded is None else predictor.failed(loaded, began, why)


def _made(decode: Callable[[], T]) -> T | BadRequest:
    """What comes of it, the mistake of a client too: in a future its traceback, and that of what led to it, would keep
    the document that was read, tens of megabytes, in a cycle with those who wait for it, until the garbage collector
    comes."""
    try:
        return decode()
    except BadRequest as wrong:
        wrong.__context__ = wrong.__cause__ = None
        return wrong.with_traceback(None)
