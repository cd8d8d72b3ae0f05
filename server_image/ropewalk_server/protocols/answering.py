"""Refusals of the predictor in a protocol's own form of error, whether they come at once or later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ropewalk_server.http import Answer, ErrorForm, Response
from ropewalk_server.predictor import Refused


def answered(ask: Callable[[], Answer], error: ErrorForm) -> Answer:
    """What `ask` answers, now or later, with a Refused turned into the protocol's form of error."""
    try:
        answer = ask()
    except Refused as why:
        return error(why.status, str(why))
    if isinstance(answer, Response):
        return answer
    return asyncio.ensure_future(_later(answer, error))


async def _later(answer: asyncio.Future[Response], error: ErrorForm) -> Response:
    try:
        return await answer
    except Refused as why:
        return error(why.status, str(why))
