"""Requests of numbers only, straight from their bytes: a fifth of the time of objects and then an array.

Only what is beyond doubt comes out of here: a document of one key whose value is numbers in the right shape. For all
else the answer is None, or no rows, and the careful decoder finds the words.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ropewalk_server import native

_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]+")
"""Names that stand in JSON as they are."""
BRIEF = 32 * 1024
"""Bytes that are read in a few microseconds."""
_READ, _READ_BRIEFLY = native.load(), native.load(brief=True)


class Reader:
    """Reads bodies of one form, `{key: [row, ...]}` or `{key: {name: [x, ...], ...}}`. Shared between threads."""

    def __init__(self, form: native.Form, shape: tuple[int, ...]) -> None:
        self._form = form
        self._shape = shape
        self._size = int(form.size)

    @staticmethod
    def of_rows(key: str, shape: tuple[int, ...]) -> Reader | None:
        """For rows that are nested lists of this shape; None where they cannot be read here."""
        if _READ is None or not 0 < len(shape) <= native.MAX_RANK or min(shape) < 1:
            return None
        return Reader(native.Form.of(native.VECTORS, key, shape=shape), shape)

    @staticmethod
    def of_names(kind: int, key: str, names: Sequence[str]) -> Reader | None:
        """For NAMED_ROWS or COLUMNS of these names; None where they cannot be read here."""
        plain = all(_PLAIN.fullmatch(name) for name in names)
        if _READ is None or not plain or not 0 < len(names) <= native.MAX_WIDTH:
            return None
        return Reader(native.Form.of(kind, key, names=names), (len(names),))

    def read(self, body: bytes, most: int) -> NDArray[np.float32] | None:
        """The rows of a body, float32 [rows, *shape]; None unless it is of this form and has at most `most`."""
        found, (count,) = self.read_together([body], most, most)
        return found if count else None

    def read_together(
        self, bodies: Sequence[bytes], most_each: int, most: int
    ) -> tuple[NDArray[np.float32], Sequence[int]]:
        """The rows of the first few bodies, one after the other, and how many each has: 0 for one that is not of this
        form, or has more than `most_each`. As many bodies as have no more than `most` rows together, at least one."""
        text = bodies[0] if len(bodies) == 1 else b"".join(bodies)
        lengths, counts = array("q", map(len, bodies)), array("q", bytes(8 * len(bodies)))
        # A number takes two bytes at least, with what parts it from the next.
        room = min(most, len(text) // (2 * self._size) + len(bodies))
        out = np.empty((room, *self._shape), dtype=np.float32)
        pointers = lengths.buffer_info()[0], counts.buffer_info()[0]
        read = _READ_BRIEFLY if len(text) < BRIEF else _READ
        looked_at = read(self._form, text, pointers[0], len(bodies), out.ctypes.data, most_each, room, pointers[1])
        found = counts[:looked_at] if looked_at < len(bodies) else counts
        rows = sum(found)
        # A body of spaces has room for many rows, and those that are there may be kept for long.
        return out[:rows].copy() if 2 * rows < room else out[:rows], found
