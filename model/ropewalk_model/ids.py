"""Ids: the features that a core takes as `ids`, int32 `[N, k]`, one column each, for which it has learnt embeddings.

They stand under `ids` in features.json, beside the features of `x`; a document without them is of a model without ids.
Id 0 is an unknown word, 1 a missing one (""), and 2 the first of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNKNOWN, MISSING, FIRST = 0, 1, 2


@dataclass(frozen=True)
class IdColumn:
    """A feature of words that is one column of ids."""

    name: str
    vocabulary: tuple[str, ...]

    @property
    def size(self) -> int:
        """The number of ids: rows of its embedding table."""
        return FIRST + len(self.vocabulary)


class IdEncoder:
    """Encodes columns of words. Immutable after construction, safe to share between threads."""

    def __init__(self, columns: Sequence[IdColumn]) -> None:
        self.columns = tuple(columns)
        self._codes = [
            {"": MISSING, **{word: FIRST + index for index, word in enumerate(one.vocabulary)}} for one in self.columns
        ]

    def __bool__(self) -> bool:
        return bool(self.columns)

    def encode(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.int32]:
        """Columns of N words by feature name -> int32 `[N, k]`. KeyError if one is absent."""
        rows = len(columns[self.columns[0].name]) if self.columns else 0
        encoded = np.empty((rows, len(self.columns)), dtype=np.int32)
        for index, (one, codes) in enumerate(zip(self.columns, self._codes, strict=True)):
            words = columns[one.name]
            encoded[:, index] = np.fromiter((codes.get(word, UNKNOWN) for word in words), dtype=np.int32, count=rows)
        return encoded

    def document(self) -> list[dict[str, Any]]:
        """The JSON form: `ids` of features.json."""
        return [{"name": one.name, "vocabulary": list(one.vocabulary)} for one in self.columns]

    @staticmethod
    def from_document(features: Mapping[str, Any]) -> IdEncoder:
        """Of features.json, which need not have any."""
        found = features.get("ids", ())
        return IdEncoder([IdColumn(str(one["name"]), tuple(map(str, one["vocabulary"]))) for one in found])
