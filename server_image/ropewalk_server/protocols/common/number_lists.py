"""Long lists of numbers in a document's `data`, read straight from its bytes: half of what it costs to make objects of
them first.

Each is taken out, and a word that nobody else knows stands in its place for the JSON parser.
"""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ropewalk_server import native

LONG = 2048
"""Bytes of a list from which on it pays."""
MOST = 256
"""Lists of a document, and words that look like their key."""
_KEY = b'"data"'
_BACKSLASH = ord("\\")
_WORD = secrets.token_hex(16)
_READ = native.load_lists()


def taken_out(text: bytes) -> tuple[bytes, Mapping[str, NDArray[np.float32]]]:
    """The document without its lists of numbers, and what they are by the word in their place; flat lists alone, of
    numbers that float32 holds, up to the first that is not. Where there is nothing worth it, the document as it is."""
    found: dict[str, NDArray[np.float32]] = {}
    if _READ is None or len(text) < LONG:
        return text, found
    place = ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p).value or 0
    end = ctypes.c_int64()
    out = np.empty(len(text) // 2, dtype=np.float32)
    pieces = []
    copied = at = 0
    for _ in range(MOST):
        key = text.find(_KEY, at)
        if key < 0:
            break
        at = key + len(_KEY)
        start = text.find(b"[", at, at + 8)
        if start < 0 or text[key - 1] == _BACKSLASH or text[at:start].strip() != b":":
            continue
        count = _READ(place + start, len(text) - start, out.ctypes.data, len(out), ctypes.byref(end))
        size = end.value
        if not count or size < LONG:
            break
        word = f"{_WORD}-{len(found)}"
        found[word] = out[:count].copy()
        pieces += [text[copied:start], f'"{word}"'.encode()]
        copied = at = start + size
    return (b"".join([*pieces, text[copied:]]), found) if found else (text, found)
