"""Inputs for a signature about which nothing is known but dtypes and shapes: the same ones on every machine.

They need not mean anything. They have to be accepted, and to be answered alike by what serves the model later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.signature import NUMPY_DTYPES, TensorSpec

SEED = 20260101
ROWS = 4
UNKNOWN = (8, 32, 1, 224)
"""Sizes that are tried, in this order, where a signature leaves one open."""
MOST_VALUES = 1 << 18
"""Of one input: a large one is tried with one row."""
_WORDS: Sequence[Sequence[bytes]] = (
    (b"red", b"", "crème brûlée".encode(), b"the quick brown fox"),
    (b"1", b"0", b"2.5", b"-3"),
    (b"", b"", b"", b""),  # a serialized tf.Example without features
)
"""Texts that are tried: words, numbers, nothing."""


def tries(specs: Sequence[TensorSpec]) -> Iterator[dict[str, NDArray[Any]]]:
    """Inputs of ROWS rows, then of one, for each size of what is open and for each kind of text."""
    for rows in (ROWS, 1):
        for size in UNKNOWN if any(-1 in one.shape[1:] for one in specs) else UNKNOWN[:1]:
            for words in _WORDS if any(one.dtype == "STRING" for one in specs) else _WORDS[:1]:
                shapes = {one.name: shape_of(one, rows, size) for one in specs}
                if rows == 1 or all(math.prod(shape) <= MOST_VALUES for shape in shapes.values()):
                    yield {one.name: values(one, shapes[one.name], words) for one in specs}


def shape_of(spec: TensorSpec, rows: int, size: int) -> tuple[int, ...]:
    """The shape with its open sizes decided: the first is rows."""
    first = tuple(rows if one == -1 else one for one in spec.shape[:1])
    return (*first, *(size if one == -1 else one for one in spec.shape[1:]))


def values(spec: TensorSpec, shape: Sequence[int], words: Sequence[bytes] = _WORDS[0]) -> NDArray[Any]:
    """An array of the declared dtype. Integers are 0 and 1, which are in any vocabulary."""
    random = np.random.default_rng(SEED)
    count = math.prod(shape)
    found: NDArray[Any]
    if spec.dtype == "STRING":
        found = np.empty(count, dtype=object)
        found[:] = [words[index % len(words)] for index in range(count)]
    elif spec.dtype in ("FLOAT", "DOUBLE", "HALF"):
        found = random.normal(size=count).astype(NUMPY_DTYPES[spec.dtype])
    else:
        found = random.integers(0, 2, size=count).astype(NUMPY_DTYPES[spec.dtype])
    return found.reshape(tuple(shape))
