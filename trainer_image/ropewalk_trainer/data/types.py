"""Raw values of any format to wire values of the declared type. Never inferred: the schema says what a column is.

A conversion gives wire values, and marks which rows are unreadable (bad) and which are missing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import timestamps
from ropewalk_model.features import FeatureSpec
from ropewalk_model.signature import INT64_MISSING

MISSING_WORDS = frozenset({"", "nan", "null", "none", "na", "n/a"})
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})


class Unreadable(ValueError):
    """A value is not of the declared type."""


@dataclass(frozen=True)
class Converted:
    """Wire values with two masks; bad rows hold a filler."""

    values: NDArray[Any]
    bad: NDArray[np.bool_]
    missing: NDArray[np.bool_]


def number(value: Any) -> float | None:
    """A finite number; None if missing."""
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in MISSING_WORDS:
            return None
        value = _float(text)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unreadable
    if abs(value) > 3.4e38:  # NB: before isnan, for which an integer of 400 digits is too large.
        raise Unreadable
    return None if math.isnan(value) else float(value)


def _float(text: str) -> float:
    if "_" in text:
        raise Unreadable
    try:
        return float(text)
    except ValueError:
        raise Unreadable from None


def integer(value: Any) -> int | None:
    """A whole number of 64 bits; None if missing."""
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in MISSING_WORDS:
            return None
        try:
            value = int(text) if "_" not in text else None
        except ValueError:
            value = _float(text)
        if value is None:
            raise Unreadable
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) < value < 2**63:
        raise Unreadable
    return value


def boolean(value: Any) -> bool | None:
    """true/false, yes/no or 1/0; None if missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in MISSING_WORDS:
        return None
    if word in _TRUE or word == "1.0":
        return True
    if word in _FALSE or word == "0.0":
        return False
    raise Unreadable


def category(value: Any) -> str | None:
    """A word or a text as it stands; whole numbers without a decimal point, truth as true/false; None if missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise Unreadable from None
    if not isinstance(value, (str, int, float)):
        raise Unreadable
    word = str(value)
    if not word.isascii() and not _is_text(word):
        raise Unreadable
    return word or None


def timestamp(value: Any) -> str | None:
    """A time of RFC 3339 (a space for the T is put right), or a date or time that is one already, in UTC; None if
    missing."""
    if isinstance(value, date):
        return timestamps.text_of(value)
    text = category(value)
    if text is None or text.strip().lower() in MISSING_WORDS:
        return None
    text = text.strip()
    if text[10:11] == " ":
        text = f"{text[:10]}T{text[11:]}"
    if timestamps.seconds(text) is None:
        raise Unreadable
    return text


def _is_text(word: str) -> bool:
    """Whether it can be stored: a file's name, and so a label, may hold half of a surrogate pair."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def image(value: Any, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Pixels 0..255: an array, nested lists, a JSON list or numbers separated by spaces; None if missing."""
    if value is None or (isinstance(value, str) and not value):
        return None
    if isinstance(value, str):
        text = value.strip()
        try:
            value = json.loads(text) if text.startswith("[") else [float(one) for one in text.split()]
        except (ValueError, RecursionError):
            raise Unreadable from None
    try:
        pixels = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise Unreadable from None
    if pixels.size != math.prod(shape) or (pixels.ndim == 3 and pixels.shape != shape):
        raise Unreadable
    if not bool(((pixels >= 0) & (pixels <= 255) & (pixels == np.floor(pixels))).all()):
        raise Unreadable
    return pixels.astype(np.uint8).reshape(shape)


def convert(spec: FeatureSpec, column: Sequence[Any] | NDArray[Any]) -> Converted:
    """A column of raw values (a numpy array of numbers takes a fast path) to the feature's wire values."""
    rows = len(column)
    fast = _fast(spec, column)
    if fast is not None:
        return fast
    parse, filler, dtype = _parser(spec)
    values: NDArray[Any] = np.empty(rows, dtype=object)
    bad = np.zeros(rows, dtype=np.bool_)
    missing = np.zeros(rows, dtype=np.bool_)
    for row, value in enumerate(column):
        try:
            parsed = parse(value)
        except Unreadable:
            bad[row] = True
            parsed = None
        else:
            missing[row] = parsed is None
        values[row] = filler if parsed is None else parsed
    if spec.type == "Image":
        stacked = np.zeros((rows, *spec.shape), dtype=np.uint8)
        for row in range(rows):
            stacked[row] = values[row]
        return Converted(stacked, bad, missing)
    return Converted(values.astype(dtype), bad, missing)


def _parser(spec: FeatureSpec) -> tuple[Callable[[Any], Any], Any, Any]:
    if spec.type == "Number":
        return number, math.nan, np.float32
    if spec.type == "Integer":
        return integer, INT64_MISSING, np.int64
    if spec.type == "Boolean" and spec.optional:
        return _boolean_word, "", object
    if spec.type == "Boolean":
        return boolean, False, np.bool_
    if spec.type in ("Category", "Text"):
        return category, "", object
    if spec.type == "Timestamp":
        return timestamp, "", object
    return (lambda value: image(value, spec.shape)), np.zeros(spec.shape, dtype=np.uint8), object


def _boolean_word(value: Any) -> str | None:
    truth = boolean(value)
    return None if truth is None else ("true" if truth else "false")


def _fast(spec: FeatureSpec, column: Sequence[Any] | NDArray[Any]) -> Converted | None:
    """Numbers without anything odd about them, all at once."""
    if spec.type not in ("Number", "Integer"):
        return None
    try:
        if isinstance(column, np.ndarray) and column.dtype.kind in "iuf":
            wide = column.astype(np.float64)
        elif spec.type == "Number" and all(isinstance(one, str) for one in column):
            if any("_" in one for one in column):
                return None
            wide = np.array(column, dtype=np.float64)
        else:
            return None
    except ValueError:
        return None
    if not np.isfinite(wide).all() or np.abs(wide).max(initial=0.0) > 3.4e38:
        return None
    nothing = np.zeros(len(wide), dtype=np.bool_)
    if spec.type == "Number":
        return Converted(wide.astype(np.float32), nothing, nothing)
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu" and column.dtype != np.uint64:
        return Converted(column.astype(np.int64), nothing, nothing)
    return None
