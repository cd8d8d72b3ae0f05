"""Number: a float32; missing is NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features.base import JsonSchema, Unreadable
from ropewalk_model.features.bins import EdgeBins
from ropewalk_model.features.spec import Encoding, FeatureSpec
from ropewalk_model.features.standardized import MISSING_WORDS, Standardized, float_of
from ropewalk_model.tensor_spec import Dtype

FLOAT_MAX = float(np.finfo(np.float32).max)
GREATEST_RAW = 3.4e38
"""A raw number beyond it does not fit a float32."""


class NumberBins(EdgeBins):
    """Quantiles of numbers."""

    kind = "Number"

    @staticmethod
    def numbers(column: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The numbers; NaN is missing."""
        numbers = np.asarray(column, dtype=np.float64)
        return numbers, np.isnan(numbers)


class Number(Standardized):
    """A finite number."""

    name = "Number"
    bins_class = NumberBins
    missing = math.nan

    def dtype(self, spec: FeatureSpec) -> Dtype:
        """float32."""
        return "FLOAT"

    def value_schema(self, spec: FeatureSpec) -> JsonSchema:
        """A number that float32 holds."""
        return {"type": "number", "minimum": -FLOAT_MAX, "maximum": FLOAT_MAX}

    def example(self, spec: FeatureSpec) -> float:
        """A half."""
        return 0.5

    def accept_at_once(self, column: Sequence[Any] | NDArray[Any]) -> NDArray[Any] | None:
        """Numbers, or texts of numbers, that are all finite."""
        wide = finite_array(column)
        if wide is None and all(isinstance(one, str) for one in column):
            wide = _finite_texts(column)
        return None if wide is None else wide.astype(np.float32)

    def parse(self, spec: FeatureSpec, raw: Any) -> float | None:
        """A finite number; None if missing."""
        if isinstance(raw, str):
            text = raw.strip()
            if text.lower() in MISSING_WORDS:
                return None
            raw = float_of(text)
        if raw is None:
            return None
        if isinstance(raw, bool) or not isinstance(raw, (int, float)):
            raise Unreadable
        if abs(raw) > GREATEST_RAW:  # NB: before isnan, for which an integer of 400 digits is too large.
            raise Unreadable
        return None if math.isnan(raw) else float(raw)

    def filler(self, spec: FeatureSpec) -> float:
        """NaN."""
        return math.nan

    def present(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        """True for numbers: bool [N]."""
        found: NDArray[np.bool_] = ~np.isnan(column)
        return found

    def numbers(self, column: NDArray[Any]) -> NDArray[Any]:
        """As float32."""
        return np.asarray(column, dtype=np.float32)

    def finite(self, column: NDArray[Any]) -> NDArray[np.float64]:
        """Without NaN and infinities."""
        values = np.asarray(column, dtype=np.float32).astype(np.float64)
        return values[np.isfinite(values)]

    def edge_values(self, one: Encoding) -> list[Any]:
        """Zeros, the least and the greatest numbers, infinities, NaN and the mean."""
        return [0.0, -0.0, 1.0, FLOAT_MAX, -FLOAT_MAX, 1e-45, np.inf, -np.inf, np.nan, one.mean]


NUMBER = Number()


def finite_array(column: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64] | None:
    """An array of numbers as float64; None for anything else, and where a number is not finite or too large."""
    if not isinstance(column, np.ndarray) or column.dtype.kind not in "iuf":
        return None
    return _bounded(column.astype(np.float64))


def _finite_texts(column: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64] | None:
    if any("_" in one for one in column):
        return None
    try:
        return _bounded(np.array(column, dtype=np.float64))
    except ValueError:
        return None


def _bounded(wide: NDArray[np.float64]) -> NDArray[np.float64] | None:
    if not np.isfinite(wide).all() or np.abs(wide).max(initial=0.0) > GREATEST_RAW:
        return None
    return wide
