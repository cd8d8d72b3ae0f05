"""Integer: an int64; missing is the least of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features.base import JsonSchema, Unreadable
from ropewalk_model.features.bins import EdgeBins
from ropewalk_model.features.number import finite_array
from ropewalk_model.features.spec import Encoding, FeatureSpec
from ropewalk_model.features.standardized import MISSING_WORDS, Standardized, float_of
from ropewalk_model.tensor_spec import INT64_MISSING, Dtype


class IntegerBins(EdgeBins):
    """Quantiles of whole numbers."""

    kind = "Integer"

    @staticmethod
    def numbers(column: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The numbers, and which are missing."""
        numbers = np.asarray(column, dtype=np.float64)
        return numbers, np.isnan(numbers) | (numbers == float(INT64_MISSING))


class Integer(Standardized):
    """A whole number of 64 bits."""

    name = "Integer"
    bins_class = IntegerBins
    missing = float(INT64_MISSING)

    def dtype(self, spec: FeatureSpec) -> Dtype:
        """int64."""
        return "INT64"

    def value_schema(self, spec: FeatureSpec) -> JsonSchema:
        """A whole number; the least stands for a missing one."""
        low = INT64_MISSING if spec.optional else INT64_MISSING + 1
        return {"type": "integer", "minimum": low, "maximum": 2**63 - 1}

    def example(self, spec: FeatureSpec) -> int:
        """One."""
        return 1

    def accept_at_once(self, column: Sequence[Any] | NDArray[Any]) -> NDArray[Any] | None:
        """Arrays of integers that int64 holds and float64 does not overflow."""
        if finite_array(column) is None or not isinstance(column, np.ndarray):
            return None
        whole = column.dtype.kind in "iu" and column.dtype != np.uint64
        return column.astype(np.int64) if whole else None

    def parse(self, spec: FeatureSpec, raw: Any) -> int | None:
        """A whole number of 64 bits; None if missing."""
        if isinstance(raw, str):
            text = raw.strip()
            if text.lower() in MISSING_WORDS:
                return None
            try:
                raw = int(text) if "_" not in text else None
            except ValueError:
                raw = float_of(text)
            if raw is None:
                raise Unreadable
        if raw is None or (isinstance(raw, float) and math.isnan(raw)):
            return None
        if isinstance(raw, float) and raw.is_integer():
            raw = int(raw)
        if isinstance(raw, bool) or not isinstance(raw, int) or not -(2**63) < raw < 2**63:
            raise Unreadable
        return raw

    def filler(self, spec: FeatureSpec) -> int:
        """The least int64."""
        return INT64_MISSING

    def present(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        """True for numbers that are not missing: bool [N]."""
        found: NDArray[np.bool_] = column != INT64_MISSING
        return found

    def numbers(self, column: NDArray[Any]) -> NDArray[Any]:
        """As they are."""
        return column

    def finite(self, column: NDArray[Any]) -> NDArray[np.float64]:
        """Without missing ones."""
        integers = np.asarray(column, dtype=np.int64)
        wide: NDArray[np.float64] = integers[integers != INT64_MISSING].astype(np.float64)
        return wide

    def edge_values(self, one: Encoding) -> list[Any]:
        """The least and the greatest numbers, one that float64 rounds, and the mean."""
        mean = round(min(max(one.mean, -(2.0**62)), 2.0**62))
        return [0, -1, 2**53 + 1, 2**63 - 1, INT64_MISSING + 1, INT64_MISSING, mean]


INTEGER = Integer()
