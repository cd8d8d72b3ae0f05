"""Predictions as answers of a protocol, now or later, and refusals as its errors.

Answers with named tensors of many values are written in threads, and the event loop answers others meanwhile.

A request is counted once: when its answer has been written, or as failed, for the version that it asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from ropewalk_server.protocols.common.must_offload import MANY
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import Core, DeferredResponse, Issued, Loaded, Refused

T = TypeVar("T")


def answered(
    predictor: Predictor,
    found: Loaded,
    batch: Batch,
    began: float,
    write: Callable[[Core, Issued], T],
    refuse: Callable[[int, str], T],
    *,
    each: bool = False,
) -> T | asyncio.Future[T]:
    """As `predictor.predict`, with a Refused turned into an error by `refuse(status, message)`, now or later."""
    named = found.model.signature.kind.named_outputs
    predict = partial(predicted, predictor) if named else predictor.predict
    try:
        answer = predict(found, batch, began, write, each=each)
    except Refused as why:
        return refuse(why.status, str(why))
    return asyncio.ensure_future(_settled(answer, refuse)) if isinstance(answer, asyncio.Future) else answer


async def _settled(answer: asyncio.Future[T], refuse: Callable[[int, str], T]) -> T:
    try:
        return await answer
    except Refused as why:
        return refuse(why.status, str(why))


def predicted(
    predictor: Predictor,
    found: Loaded,
    batch: Batch,
    began: float,
    write: Callable[[Core, Issued], T],
    *,
    each: bool = False,
) -> T | asyncio.Future[T]:
    """As `predictor.predict`, of named tensors: many values are written beside the event loop, since ten thousand rows
    of a hundred classes took three seconds. Raises Refused, at once or in the future."""

    def write_few(core: Core, issued: Issued) -> T | DeferredResponse:
        return DeferredResponse(partial(write, core, issued)) if many(core) else write(core, issued)

    answer = predictor.predict(found, batch, began, write_few, each=each)
    if isinstance(answer, (asyncio.Future, DeferredResponse)):
        return asyncio.ensure_future(_later(predictor, found, began, answer))
    return answer


def many(core: Any) -> bool:
    """Whether writing these outputs takes some milliseconds."""
    return bool(sum([one.size for one in core.values()]) > MANY)


async def _later(
    predictor: Predictor, found: Loaded, began: float, answer: asyncio.Future[T | DeferredResponse] | DeferredResponse
) -> T:
    done = await answer if isinstance(answer, asyncio.Future) else answer
    if not isinstance(done, DeferredResponse):
        return done
    seconds = predictor.limits.deadline_seconds
    predictor.in_flight += 1  # it has been computed and is never refused: others are, who come meanwhile
    try:
        written = await asyncio.wait_for(predictor.offload.run(done.write), began + seconds - time.perf_counter())
    except TimeoutError:
        predictor.reject("deadline")
        message = f"Computing and writing the prediction took longer than {seconds:g} s"
        raise predictor.failed(found, began, Refused(504, message)) from None
    except Exception as error:
        raise predictor.broken(found, began, error) from error
    finally:
        predictor.in_flight -= 1
    done.count()
    return cast("T", written)
