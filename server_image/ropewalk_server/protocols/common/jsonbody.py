"""A request's JSON: orjson where it can, the standard library for what only it takes (NaN), bounds for both."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from ropewalk_server.serving.decoders import Undecodable
from ropewalk_server.transport.limits import Limits

MAX_DEPTH = Limits.max_json_depth
MOST_NESTED = 400_000
"""Lists and objects of a document, an object counted twice, and values of one that orjson cannot read (or a tenth of
its bytes, where a ModelDeployment allows over 4 MiB): they become Python's in one call that lets nobody else in."""
_LARGE = 16 * 1024
"""Bytes from which on numpy counts faster than bytes do."""


class BadRequest(Undecodable):
    """The client's mistake; the message is for the client and names the place, `status` is the HTTP status.

    `reason` is that of the limit, for the metric, where it is one that is not told by the status.
    """

    def __init__(self, message: str, status: int = 400, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def parse_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises BadRequest as `parse` does."""
    document = parse(body)
    if type(document) is not dict:
        raise BadRequest(f"JSON Value: {shown(document)} Is not object")
    return document


def parse(body: bytes) -> Any:
    """The body's JSON. Tokens NaN and Infinity parse, as TensorFlow Serving documents. Raises BadRequest.

    No key stands twice in an object, and all text is UTF-8. How deep it is nested is for `refuse_depth`.
    """
    if not body:
        raise BadRequest("JSON Parse error: The document is empty")
    try:
        document = orjson.loads(body) if len(body) < _LARGE else _parse_large(body)
    except orjson.JSONDecodeError as error:
        if b"NaN" in body or b"Infinity" in body or "infinity" in error.msg:  # 1e400: refused where its name is known
            document = _parse_with_nan(body)
        elif "depth limit" in error.msg or "ecursion" in error.msg:
            raise _too_deep() from None
        else:
            raise BadRequest(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    # Every key has its colon: as many of them as keys, and none can have been given twice.
    top = document if type(document) is dict else {"": document}
    colons = _count(body, b":") + (top is not document)
    if colons != _keys_above(top) and (b"\\u003" in body or colons != _keys_and_colons(top)):
        _refuse_repeated(body)
    return document


def _parse_large(body: bytes) -> Any:
    nested = _count(body, b"[") + 2 * _count(body, b"{")
    _refuse_many(body, nested, "lists and objects (an object counts as two)")
    gc.disable()  # orjson keeps the interpreter to itself, so nobody misses it: it would walk over the half-made lists
    try:
        return orjson.loads(body)
    finally:
        gc.enable()


def _refuse_many(body: bytes, found: int, of_what: str) -> None:
    most = max(MOST_NESTED, len(body) // 10)
    if found > most:
        raise BadRequest(f"The document has more than {most} {of_what}: send fewer rows at a time", 413)


def _count(body: bytes, sign: bytes) -> int:
    if len(body) < _LARGE:
        return body.count(sign)
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(sign)))


def _parse_with_nan(body: bytes) -> Any:
    _refuse_many(body, _count(body, b","), "values beside NaN or Infinity")
    try:
        document = json.loads(body.decode())
        if b"\\u" in body:
            json.dumps(document, ensure_ascii=False).encode()
        return document
    except UnicodeDecodeError as error:
        raise BadRequest(f"JSON Parse error: Invalid UTF-8 at offset: {error.start}") from None
    except UnicodeEncodeError:
        raise BadRequest("JSON Parse error: A string has half of a surrogate pair, which is no text") from None
    except json.JSONDecodeError as error:
        raise BadRequest(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise BadRequest("JSON Parse error: A number has too many digits") from None


def _keys_above(document: dict[str, Any]) -> int:
    """Keys of the document, and of the objects right below: all that a request for predictions has."""
    keys = len(document)
    for value in document.values():
        if type(value) is dict:
            keys += len(value)
        elif type(value) is list and value and type(value[0]) is dict:
            try:
                keys += sum(map(len, value))
            except TypeError:
                return -1
    return keys


def _keys_and_colons(document: dict[str, Any]) -> int:
    """Keys in any depth, and the colons in strings."""
    found = 0
    for keys, values in _levels(document, ()):
        found += keys + "".join([one for one in values if type(one) is str]).count(":")
    return found


def _refuse_repeated(body: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
            raise BadRequest(f"JSON Parse error: The key {shown(twice)} stands twice in an object")
        return found

    try:
        json.loads(body, object_pairs_hook=unique)
    except RecursionError:
        raise _too_deep() from None


def refuse_depth(document: dict[str, Any], *but: str) -> None:
    """BadRequest if it is nested deeper than Limits.max_json_depth; what stands at the keys `but` is not looked at."""
    for depth, _ in enumerate(_levels(document, but), start=1):
        if depth > MAX_DEPTH:
            raise _too_deep()


def _too_deep() -> BadRequest:
    message = f"JSON Parse error: The document is nested too deep, at most {MAX_DEPTH} levels are allowed"
    return BadRequest(message, reason="json_depth")


def _levels(document: dict[str, Any], but: tuple[str, ...]) -> Iterator[tuple[int, list[Any]]]:
    """From the top: the number of keys on each level, and the values there."""
    level: list[Any] = [document]
    while level:
        keys = 0
        values: list[Any] = []
        for one in level:
            if type(one) is list:
                values += one
            else:
                keys += len(one)
                values += [value for key, value in one.items() if key not in but] if but else one.values()
        yield keys, values
        level = [one for one in values if type(one) is dict or type(one) is list]


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
