"""The part of the server that is in C: numbers in JSON to float32 (numbers.c); `build` compiles it.

Where the library was not built, or not for this processor, `load` gives None and requests take the careful way through
Python's objects: the same answers, three times as slow for large requests.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).with_name("native.so")
VECTORS, NAMED_ROWS, COLUMNS = range(3)
MAX_RANK, MAX_WIDTH = 8, 4096
"""As in numbers.c."""


class Form(ctypes.Structure):
    """The form of rows; numbers.c has the same structure. Make it with `of`: it keeps what its pointers need."""

    _fields_ = (
        ("kind", ctypes.c_int64),
        ("rank", ctypes.c_int64),
        ("size", ctypes.c_int64),
        ("shape", ctypes.c_int64 * MAX_RANK),
        ("key", ctypes.c_char_p),
        ("key_length", ctypes.c_int64),
        ("names", ctypes.c_char_p),
        ("name_ends", ctypes.POINTER(ctypes.c_int64)),
    )

    @classmethod
    def of(cls, kind: int, key: str, *, shape: Sequence[int] = (), names: Sequence[str] = ()) -> Form:
        """`{key: [row, ...]}` with rows of `shape`, or with rows or columns of these names."""
        size = len(names)
        for length in shape:
            size = max(size, 1) * length
        if len(shape) > MAX_RANK or len(names) > MAX_WIDTH or size < 1:
            raise ValueError(f"rows of shape {tuple(shape)} with {len(names)} names cannot be read here")
        quoted = [f'"{name}"'.encode() for name in names]
        ends = (ctypes.c_int64 * len(names))()
        for index, name in enumerate(quoted):
            ends[index] = (ends[index - 1] if index else 0) + len(name)
        word = f'"{key}"'.encode()
        sizes = (ctypes.c_int64 * MAX_RANK)(*shape)
        return cls(kind, len(shape), size, sizes, word, len(word), b"".join(quoted), ends)


def load(path: Path = LIBRARY, *, brief: bool = False) -> Any:
    """`ropewalk_read_numbers` of numbers.c; None if there is no library that this processor can run.

    `brief` calls keep Python's lock: to give it away and get it back is for those that take longer.
    """
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    form = ctypes.POINTER(Form)
    arguments = (form, ctypes.c_char_p, pointer, integer, pointer, integer, integer, pointer)
    return _function("ropewalk_read_numbers", arguments, path, ctypes.PyDLL if brief else ctypes.CDLL)


def load_lists(path: Path = LIBRARY) -> Any:
    """`ropewalk_read_list` of numbers.c, or None."""
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    arguments = (pointer, integer, pointer, integer, ctypes.POINTER(ctypes.c_int64))
    return _function("ropewalk_read_list", arguments, path, ctypes.CDLL)


def _function(name: str, arguments: Sequence[Any], path: Path, library: Any) -> Any:
    try:
        function = getattr(library(str(path)), name)
    except (OSError, AttributeError):
        return None
    function.argtypes, function.restype = arguments, ctypes.c_int64
    return function
