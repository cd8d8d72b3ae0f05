"""Refusals in the form of error that the HTTP protocols share, whether they come at once or later.

TensorFlow Serving and the Open Inference Protocol both document an object with the one member `error`, so that what
refuses a request before its protocol has seen it (who may ask, how many may wait) words it in this form for all.
"""

from __future__ import annotations

import asyncio

import orjson

from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import Loaded, Refused
from ropewalk_server.telemetry.receipts import BODY, REQUEST
from ropewalk_server.transport.http1.types import Answer, Request, Response


def error(status: int, message: str) -> Response:
    """`{"error": "..."}`."""
    return Response(status, orjson.dumps({"error": message}))


def later(answer: Answer) -> Answer:
    """An answer as it is, or a future one, with a Refused turned into an error."""
    return answer if isinstance(answer, Response) else asyncio.ensure_future(_later(answer))


async def _later(answer: asyncio.Future[Response]) -> Response:
    try:
        return await answer
    except Refused as why:
        return error(why.status, str(why))


def mistaken(predictor: Predictor, found: Loaded, began: float, why: BadRequest) -> tuple[int, str]:
    """Count a request that cannot be read; the status and the words to answer with."""
    if why.reason:
        predictor.reject(why.reason)
    refused = predictor.failed(found, began, Refused(why.status, str(why)))
    return refused.status, str(refused)


def wants_receipts(request: Request) -> bool:
    """Whether the client asks for a receipt a row, in the answer's body."""
    return request.headers.get(REQUEST) == BODY


def not_allowed(request: Request, allowed: str) -> Response:
    """405, with the methods that the path supports in the header that RFC 9110 wants."""
    refused = error(405, f"{request.shown}: this path supports {allowed}")
    return refused._replace(headers=((b"allow", allowed.encode()),))
