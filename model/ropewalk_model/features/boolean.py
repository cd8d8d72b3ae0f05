"""Boolean: true or false; an optional one is the words "true" and "false" on the wire, "" where it is missing."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features.base import JsonSchema, Unreadable, Write
from ropewalk_model.features.bins import WordBins
from ropewalk_model.features.category import Category
from ropewalk_model.features.spec import Encoding, FeatureSpec
from ropewalk_model.features.standardized import MISSING_WORDS
from ropewalk_model.tensor_spec import Dtype

WORDS = ("false", "true")
_TRUE = frozenset({"true", "1", "yes", "1.0"})
_FALSE = frozenset({"false", "0", "no", "0.0"})


class BooleanBins(WordBins):
    """false and true, as words or as they are."""

    kind = "Boolean"
    also: ClassVar[Mapping[Any, int]] = {False: 0, True: 1}


class Boolean(Category):
    """A truth. An optional one is encoded as a category of two words."""

    name = "Boolean"
    bins_class = BooleanBins

    def dtype(self, spec: FeatureSpec) -> Dtype:
        """Of an optional one a word, since no bool can be missing."""
        return "STRING" if spec.optional else "BOOL"

    def value_schema(self, spec: FeatureSpec) -> JsonSchema:
        """A truth, or a word."""
        return super().value_schema(spec) if spec.optional else {"type": "boolean"}

    def example(self, spec: FeatureSpec) -> Any:
        """True, or a word."""
        return super().example(spec) if spec.optional else True

    def parse(self, spec: FeatureSpec, raw: Any) -> bool | str | None:
        """true/false, yes/no or 1/0, as a word where the feature is optional; None if missing."""
        truth = _truth(raw)
        return WORDS[truth] if spec.optional and truth is not None else truth

    def filler(self, spec: FeatureSpec) -> bool | str:
        """No word, or false."""
        return "" if spec.optional else False

    def fit(self, spec: FeatureSpec, column: NDArray[Any]) -> Encoding:
        """The two words, where it is encoded by words."""
        return Encoding(spec, vocabulary=WORDS) if spec.optional else Encoding(spec)

    def width(self, one: Encoding) -> int:
        """One, or a column a word."""
        return super().width(one) if one.spec.optional else 1

    def encoder(self, one: Encoding) -> Write:
        """0.0 or 1.0, or one-hot words."""

        def write(column: NDArray[Any], encoded: NDArray[np.float32]) -> None:
            encoded[:, 0] = np.asarray(column, dtype=np.float32)

        return super().encoder(one) if one.spec.optional else write

    def document(self, one: Encoding) -> dict[str, Any]:
        """Identity, or the words."""
        return super().document(one) if one.spec.optional else {"encoding": "Identity"}

    def edge_values(self, one: Encoding) -> list[Any]:
        """Both truths, or odd words."""
        return super().edge_values(one) if one.spec.optional else [False, True]

    def bins(self, spec: FeatureSpec, column: NDArray[Any], known: Container[str] = ()) -> WordBins:
        """false and true."""
        return BooleanBins(values=WORDS)


BOOLEAN = Boolean()


def _truth(raw: Any) -> bool | None:
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return None
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word in MISSING_WORDS:
        return None
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Unreadable
