"""A request's JSON: orjson where it can, the standard library for what only it takes (NaN), bounds for both."""

from __future__ import annotations

import json
from typing import Any

import orjson


class BadRequest(Exception):
    """The client's mistake; the message is for the client and names the place, `status` is the HTTP status.

    `reason` is that of the limit, for the metric, where it is one that is not told by the status.
    """

    def __init__(self, message: str, status: int = 400, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def parse_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object. Tokens NaN and Infinity parse, as TensorFlow Serving documents. Raises BadRequest."""
    if not body:
        raise BadRequest("JSON Parse error: The document is empty")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"NaN" in body or b"Infinity" in body:
            document = _parse_with_nan(body)
        elif "ecursion" in str(error):
            raise BadRequest("JSON Parse error: The document is nested too deep") from None
        else:
            raise BadRequest(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    if type(document) is not dict:
        raise BadRequest(f"JSON Value: {shown(document)} Is not object")
    return document


def _parse_with_nan(body: bytes) -> Any:
    try:
        return json.loads(body.decode())
    except UnicodeDecodeError as error:
        raise BadRequest(f"JSON Parse error: Invalid UTF-8 at offset: {error.start}") from None
    except json.JSONDecodeError as error:
        raise BadRequest(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except RecursionError:
        raise BadRequest("JSON Parse error: The document is nested too deep") from None
    except ValueError:
        raise BadRequest("JSON Parse error: A number has too many digits") from None


def shown(value: Any) -> str:
    """A value for an error message, at most 60 characters of it."""
    if type(value) is dict or type(value) is list:
        kind = "object" if type(value) is dict else "list"
        return f"({kind} of {len(value)})"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except ValueError:  # an integer of more digits than Python prints
        return "(a number)"
    return text if len(text) <= 60 else text[:57] + "..."
