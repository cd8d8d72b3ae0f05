"""The base of Number and Integer: one number, encoded as (x - mean) * scale. `Encoder` does all of a model at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Container, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features.base import FeatureType, Unreadable
from ropewalk_model.features.bins import EdgeBins
from ropewalk_model.features.spec import Encoding, FeatureSpec

CLIP = 20.0
"""Standardised values are clipped to +-20, so that no outlier or infinity turns a network's output into NaN."""
MISSING_WORDS = frozenset({"", "nan", "null", "none", "na", "n/a"})


class Standardized(FeatureType):
    """A number of a row. An optional one has a second column: 1 where it is missing."""

    bins_class: ClassVar[type[EdgeBins]]
    missing: ClassVar[float]
    """The float64 that `numbers` gives for a missing value, beside NaN."""

    @abstractmethod
    def numbers(self, column: NDArray[Any]) -> NDArray[Any]:
        """Wire values as numbers that float64 takes without another rounding: [N]."""

    @abstractmethod
    def finite(self, column: NDArray[Any]) -> NDArray[np.float64]:
        """The values to learn from, float64, without missing ones and infinities."""

    def fit(self, spec: FeatureSpec, column: NDArray[Any]) -> Encoding:
        """Learn mean and scale."""
        return with_moments(spec, self.finite(column))

    def width(self, one: Encoding) -> int:
        """One, and one more for an optional feature."""
        return 2 if one.spec.optional else 1

    def document(self, one: Encoding) -> dict[str, Any]:
        """Mean and scale."""
        return {"encoding": "Standardize", "mean": one.mean, "scale": one.scale, "clip": CLIP}

    def restore(self, spec: FeatureSpec, document: Mapping[str, Any]) -> Encoding:
        """Inverse of `document`."""
        return Encoding(spec, mean=float(document["mean"]), scale=float(document["scale"]))

    def bins(self, spec: FeatureSpec, column: NDArray[Any], known: Container[str] = ()) -> EdgeBins:
        """Ten quantiles."""
        return self.bins_class.quantiles(column)

    def describe(self, column: NDArray[Any], *, sensitive: bool) -> dict[str, Any]:
        """Count, mean, deviation, zeros and quartiles."""
        present = column[self.present(column)]
        if not len(present):
            return {"count": 0, "missing": len(column)}
        wide = present.astype(np.float64)
        quantiles = np.quantile(wide, (0.0, 0.25, 0.5, 0.75, 1.0))
        facts: dict[str, Any] = {"count": len(present), "missing": len(column) - len(present)}
        facts |= {"mean": float(wide.mean()), "deviation": float(wide.std()), "zeros": int((wide == 0).sum())}
        return facts | ({} if sensitive else {"quantiles": [float(q) for q in quantiles]})


def with_moments(spec: FeatureSpec, values: NDArray[np.float64]) -> Encoding:
    """The encoding with mean and 1 / deviation of these values; values that are all equal keep their scale."""
    if not len(values):
        return Encoding(spec)
    deviation = float(values.std())
    mean = float(values.mean())
    tiny = 1e-7 * max(1e-30, abs(mean))
    return Encoding(spec, mean=mean, scale=1.0 / deviation if deviation > tiny else 1.0)


def float_of(text: str) -> float:
    """A number in words. Raises Unreadable."""
    if "_" in text:
        raise Unreadable
    try:
        return float(text)
    except ValueError:
        raise Unreadable from None
