"""Requests that take long to read, by their images or their size, in threads: the loop answers others meanwhile.

A handler reads a request on the event loop. Where its decoder raises MustOffload, `offloaded` does the same steps with
the decoder in a thread: read, refuse or ask the model, and await the answer.
"""

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
R = TypeVar("R")


def mistaken(predictor: Predictor, found: Loaded, began: float, why: BadRequest) -> tuple[int, str]:
    """Count a request that cannot be read; the HTTP status and the message to answer with."""
    if why.reason:
        predictor.reject(why.reason)
    refused = predictor.failed(found, began, Refused(why.status, str(why)))
    return refused.status, str(refused)


def offloaded(
    predictor: Predictor,
    found: Loaded | None,
    began: float,
    size: int,
    decode: Callable[[], T],
    ask: Callable[[T], R | asyncio.Future[R]],
    refuse: Callable[[int, str], R],
    mistake: Callable[[BadRequest], tuple[int, str]] | None = None,
) -> asyncio.Future[R]:
    """The answer of `ask` to a body of `size` bytes that `decode` reads in a thread, or an error of `refuse`.

    `found` is the version that errors are counted for, `began` time.perf_counter() at the request's arrival. `mistake`
    counts a BadRequest; without it the version does.
    """
    return asyncio.ensure_future(_offloaded(predictor, found, began, size, decode, ask, refuse, mistake))


async def _offloaded(
    predictor: Predictor,
    found: Loaded | None,
    began: float,
    size: int,
    decode: Callable[[], T],
    ask: Callable[[T], R | asyncio.Future[R]],
    refuse: Callable[[int, str], R],
    mistake: Callable[[BadRequest], tuple[int, str]] | None,
) -> R:
    try:
        made = await read(predictor, found, began, size, decode)
    except BadRequest as why:
        if mistake is None:
            assert found is not None
            return refuse(*mistaken(predictor, found, began, why))
        return refuse(*mistake(why))
    except Refused as why:
        return refuse(why.status, str(why))
    del decode  # it keeps the body
    answer = ask(made)
    return await answer if isinstance(answer, asyncio.Future) else answer


async def read(predictor: Predictor, loaded: Loaded | None, began: float, size: int, decode: Callable[[], T]) -> T:
    """The result of `decode` for a body of `size` bytes, read in a thread. Raises its BadRequest, and Refused where as
    many requests wait as may for an engine, or as many bytes, and at the deadline."""
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
    """The result, or the client's mistake without its traceback: in a future it would keep the document that was read,
    tens of megabytes, in a cycle with the frames that wait for it, until the garbage collector runs."""
    try:
        return decode()
    except BadRequest as wrong:
        wrong.__context__ = wrong.__cause__ = None
        return wrong.with_traceback(None)
