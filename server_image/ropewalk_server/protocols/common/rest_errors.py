"""Refusals in the form of error that the HTTP protocols share.

TensorFlow Serving and the Open Inference Protocol both document an object with the one member `error`, so that what
refuses a request before its protocol has seen it (who may ask, how many may wait) words it in this form for all.
"""

from __future__ import annotations

import orjson

from ropewalk_server.telemetry.receipts import BODY, REQUEST
from ropewalk_server.transport.http1.types import Request, Response


def error(status: int, message: str) -> Response:
    """`{"error": "..."}`."""
    return Response(status, orjson.dumps({"error": message}))


def wants_receipts(request: Request) -> bool:
    """Whether the client asks for a receipt a row, in the answer's body."""
    return request.headers.get(REQUEST) == BODY


def not_allowed(request: Request, allowed: str) -> Response:
    """405, with the methods that the path supports in the header that RFC 9110 wants."""
    refused = error(405, f"{request.shown}: this path supports {allowed}")
    return refused._replace(headers=((b"allow", allowed.encode()),))
