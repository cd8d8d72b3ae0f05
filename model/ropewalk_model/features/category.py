"""Category: a word of a vocabulary, encoded one-hot; missing is "" and an unknown word has a column of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features.base import Write
from ropewalk_model.features.bins import MAX_CATEGORIES, WordBins
from ropewalk_model.features.spec import Encoding, FeatureSpec
from ropewalk_model.features.string import ODD_WORDS, String, most_frequent

MAX_VOCABULARY = 1000
"""A Category without declared values learns at most so many, the most frequent first."""


class CategoryBins(WordBins):
    """The most frequent words."""

    kind = "Category"


class Category(String):
    """A word. One-hot: [a column a word, unknown, missing where it may be]."""

    name = "Category"
    bins_class: ClassVar[type[WordBins]] = CategoryBins

    def fit(self, spec: FeatureSpec, column: NDArray[Any]) -> Encoding:
        """The declared values, or the most frequent words."""
        if spec.values is not None:
            return Encoding(spec, vocabulary=spec.values)
        seen = Counter(word for word in column if word != "")
        return Encoding(spec, vocabulary=most_frequent(seen, MAX_VOCABULARY))

    def width(self, one: Encoding) -> int:
        """A column a word, one for unknown words, one more for missing ones."""
        return len(one.vocabulary) + 1 + int(one.spec.optional)

    def encoder(self, one: Encoding) -> Write:
        """One 1.0 a row."""
        unknown = len(one.vocabulary)
        codes = {**one.codes, "": unknown + 1} if one.spec.optional else one.codes

        def write(column: NDArray[Any], encoded: NDArray[np.float32]) -> None:
            rows = len(column)
            places = np.fromiter((codes.get(word, unknown) for word in column), dtype=np.int64, count=rows)
            encoded[np.arange(rows), places] = 1.0

        return write

    def document(self, one: Encoding) -> dict[str, Any]:
        """The vocabulary."""
        return {"encoding": "OneHot", "vocabulary": list(one.vocabulary)}

    def restore(self, spec: FeatureSpec, document: Mapping[str, Any]) -> Encoding:
        """Inverse of `document`."""
        return Encoding(spec, vocabulary=tuple(document.get("vocabulary", ())))

    def edge_values(self, one: Encoding) -> list[Any]:
        """Odd words, and the vocabulary's first and last."""
        return [*ODD_WORDS, *one.vocabulary[:1], *one.vocabulary[-1:]]

    def bins(self, spec: FeatureSpec, column: NDArray[Any], known: Container[str] = ()) -> WordBins:
        """The most frequent words, then declared ones that did not occur."""
        words, counts = np.unique(np.asarray([word for word in column if word != ""], dtype=str), return_counts=True)
        ranked = [str(words[index]) for index in np.lexsort((words, -counts))]
        declared = [value for value in spec.values or () if value not in ranked]
        return CategoryBins(values=tuple((ranked + declared)[:MAX_CATEGORIES]))


CATEGORY = Category()
