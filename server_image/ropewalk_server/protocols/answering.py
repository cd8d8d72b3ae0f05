"""Refusals in the form of error that the HTTP protocols share, whether they come at once or later."""

from __future__ import annotations

import asyncio

import orjson

from ropewalk_server.feedback import BODY, REQUEST
from ropewalk_server.http import Answer, ErrorForm, Request, Response
from ropewalk_server.predictor import Loaded, Predictor, Refused
from ropewalk_server.protocols.jsonbody import BadRequest


def later(answer: Answer, error: ErrorForm) -> Answer:
    """An answer as it is, or a future one, with a Refused turned into the protocol's form of error."""
    return answer if isinstance(answer, Response) else asyncio.ensure_future(_later(answer, error))


async def _later(answer: asyncio.Future[Response], error: ErrorForm) -> Response:
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
    message = f"{request.shown}: this path supports {allowed}"
    return Response(405, orjson.dumps({"error": message}), headers=((b"allow", allowed.encode()),))
