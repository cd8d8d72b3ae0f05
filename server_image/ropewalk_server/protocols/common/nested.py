"""Nested JSON lists to the flat list of their values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any


def flattened(values: Sequence[Any], shape: Sequence[int]) -> Sequence[Any] | None:
    """All values in row-major order; `shape` is that of each item. None unless every list is exactly so long."""
    flat = values
    for size in shape:
        for one in flat:
            if type(one) is not list or len(one) != size:
                return None
        flat = list(chain.from_iterable(flat))
    return flat
