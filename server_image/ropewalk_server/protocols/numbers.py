"""Matrices of numbers, straight from a request's bytes: a third of the time of objects and then an array.

Only what is beyond doubt comes out of here: a document of one key whose value is numbers in the right shape. For all
else the answer is None, and the careful decoder finds the words. Not for threads: the parser's memory is used again.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import orjson
import simdjson
from numpy.typing import NDArray

_NUMBER = b"0123456789.-+eE \t\r\n"
_FLOAT_MAX = float(np.finfo(np.float32).max)
_PARSER: Any = simdjson.Parser()
_LARGEST = b"\xff\xff\x7f"
"""The first bytes of the largest float32 of either sign, little-endian."""
_ERRORS = (ValueError, RuntimeError, TypeError, KeyError, AttributeError, OverflowError)
SMALL = 512
"""Below so many bytes objects are cheaper than simdjson's set-up."""
_TYPES = ({int}, {float}, {int, float})


def rows(body: bytes, key: str, shape: tuple[int, ...], max_rows: int) -> NDArray[np.float32] | None:
    """`{key: [row, ...]}` as float32 [N, *shape]; None unless every row is exactly so nested, of finite numbers."""
    if len(body) < SMALL:
        found = _lists(body, key, shape[0], max_rows) if len(shape) == 1 else None
        return None if found is None else _packed(found)
    begin, end = body.find(b"["), body.rfind(b"]") + 1
    if begin < 0:
        return None
    # What is left without the numbers is the shape itself: one comparison proves that no row is ragged.
    skeleton = body[begin:end].translate(None, _NUMBER)
    count = (len(skeleton) - 1) // (len(_row(shape)) + 1)
    if not 0 < count <= max_rows or skeleton != _rows(count, shape):
        return None
    document: Any = None
    value: Any = None
    try:
        document = _PARSER.parse(body)
        if list(document.keys()) != [key]:
            return None
        value = document[key]
        flat = np.frombuffer(value.as_buffer(of_type="d"), dtype=np.float64)
    except _ERRORS:
        return None
    finally:
        del document, value
    return _narrowed(flat, count, *shape)


def few(body: bytes, key: str, width: int, max_rows: int) -> list[list[int | float]] | NDArray[np.float32] | None:
    """As `rows`, of vectors; a small body's as lists, to be `joined` with others."""
    return _lists(body, key, width, max_rows) if len(body) < SMALL else rows(body, key, (width,), max_rows)


def joined(found: Sequence[list[list[int | float]] | NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """What several bodies hold, one after the other; None if a number of theirs needs a second look."""
    lists = [row for one in found if type(one) is list for row in one]
    if not lists:
        return np.concatenate(found)  # type: ignore[arg-type]
    packed = _packed(lists)
    if packed is None or len(packed) == sum(map(len, found)):
        return packed
    parts, at = [], 0
    for one in found:
        if isinstance(one, list):
            parts.append(packed[at : at + len(one)])
            at += len(one)
        else:
            parts.append(one)
    return np.concatenate(parts)


def _lists(body: bytes, key: str, width: int, max_rows: int) -> list[list[int | float]] | None:
    try:
        document = orjson.loads(body)
        found: list[list[int | float]] = document[key]
        if len(document) != 1 or body.count(b":") != 1 or not 0 < len(found) <= max_rows:
            return None
        for row in found:
            if type(row) is not list or len(row) != width or set(map(type, row)) not in _TYPES:
                return None
    except _ERRORS:
        return None
    return found


def _packed(lists: Sequence[Sequence[int | float]]) -> NDArray[np.float32] | None:
    width = len(lists[0])
    flat = lists[0] if len(lists) == 1 else chain.from_iterable(lists)
    try:
        packed = _packer(len(lists) * width).pack(*flat)
    except _ERRORS:
        return None
    # What was rounded to the largest float32 may have been larger; or those bytes lie across others (7.2e16 has them).
    if _LARGEST in packed and np.abs(np.array(lists, dtype=np.float64)).max() > _FLOAT_MAX:
        return None
    return np.ndarray((len(lists), width), "<f4", packed)


def few_floats(flat: Sequence[int | float]) -> NDArray[np.float32] | None:
    """A few numbers as float32, in a fifth of numpy's time; None if any needs a second look."""
    try:
        if not math.isfinite(sum(flat)):
            return None
        packed = _packer(len(flat)).pack(*flat)
    except _ERRORS:
        return None
    return None if _LARGEST in packed else np.ndarray((len(flat),), "<f4", packed)


@lru_cache(maxsize=1024)
def _packer(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}f")


@lru_cache(maxsize=8)
def _row(shape: tuple[int, ...]) -> bytes:
    """Brackets and commas of one value of this shape; none for a scalar."""
    return b"[" + b",".join([_row(shape[1:])] * shape[0]) + b"]" if shape else b""


def _rows(count: int, shape: tuple[int, ...]) -> bytes:
    row = _row(shape)
    return b"[" + (row + b",") * (count - 1) + row + b"]"


def columns(body: bytes, key: str, names: tuple[str, ...], max_rows: int) -> NDArray[np.float32] | None:
    """`{key: {name: [x, ...], ...}}` as float32 [N, names]; None unless every column has the same N finite numbers."""
    if len(body) < SMALL or body.count(b"[") != len(names):
        return None
    document: Any = None
    value: Any = None
    column: Any = None
    try:
        document = _PARSER.parse(body)
        if list(document.keys()) != [key]:
            return None
        value = document[key]
        if len(value) != len(names):
            return None
        found: NDArray[np.float64] | None = None
        for index, name in enumerate(names):
            column = value[name]
            flat = np.frombuffer(column.as_buffer(of_type="d"), dtype=np.float64)
            if found is None:
                if not 0 < len(flat) <= max_rows:
                    return None
                found = np.empty((len(flat), len(names)), dtype=np.float64)
            elif len(flat) != len(found):
                return None
            found[:, index] = flat
    except _ERRORS:
        return None
    finally:
        del document, value, column
    return None if found is None else _narrowed(found, *found.shape)


def _narrowed(wide: NDArray[np.float64], *shape: int) -> NDArray[np.float32] | None:
    # min and max are NaN if any value is: one comparison covers NaN, infinities and what float32 cannot hold.
    if wide.size != math.prod(shape) or not (wide.min() >= -_FLOAT_MAX and wide.max() <= _FLOAT_MAX):
        return None
    return wide.astype(np.float32).reshape(shape)
