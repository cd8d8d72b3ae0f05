"""Fixed bins of one feature, or of the predictions: the same code counts training rows and live traffic.

Two layouts serve most feature types: bins between edges, and bins of words. A type with another layout defines it in
its own file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

QUANTILE_BINS = 10
MAX_CATEGORIES = 100
MAX_SAMPLED = 200_000
"""Rows that quantiles are taken of."""


@dataclass(frozen=True)
class Bins(ABC):
    """Bins; `kind` is the feature type's name in stored documents."""

    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    sensitive: bool = False
    """True: edges and values, which come from training rows, must not leave the store and the server's memory."""
    kind: ClassVar[str]
    costly: ClassVar[bool] = False
    """True if counting takes several microseconds a value."""

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """A name for each count, for people; of a sensitive feature it does not tell what is counted."""

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of counts."""

    @abstractmethod
    def indices(self, column: NDArray[Any]) -> NDArray[np.int64]:
        """The bin of each value of a column of wire values: int64 [N]."""

    def count(self, column: NDArray[Any]) -> NDArray[np.int64]:
        """Counts of a column of wire values, in the order of `names`: int64 [size]."""
        return np.bincount(self.indices(column), minlength=self.size)

    def knowing(self, words: Container[str]) -> Self:
        """These bins with the words that the model knows, where counting needs them."""
        return self

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        document = {"kind": self.kind, "edges": list(self.edges), "values": list(self.values)}
        return {**document, "sensitive": True} if self.sensitive else document

    @property
    def public(self) -> Self:
        """As many bins, in which nobody can read a sensitive feature's values; others as they are."""
        if not self.sensitive:
            return self
        edges = tuple(float(n) for n in range(len(self.edges)))
        return replace(self, edges=edges, values=tuple(self.names[: len(self.values)]))


class EdgeBins(Bins):
    """[under, one for each pair of neighbouring edges, over, missing]; a bin holds edge <= x < next edge, the last one
    its upper edge too."""

    @staticmethod
    @abstractmethod
    def numbers(column: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """A column as float64 [N], and which of its values are missing."""

    @property
    def size(self) -> int:
        """The number of counts."""
        return len(self.edges) + 2

    @property
    def names(self) -> list[str]:
        """The span of each bin."""
        if self.sensitive:
            return ["(under)", *(f"range {n}" for n in range(1, len(self.edges))), "(over)", "(missing)"]
        spans = [f"{low:g}..{high:g}" for low, high in zip(self.edges, self.edges[1:], strict=False)]
        return [f"< {self.edges[0]:g}", *spans, f"> {self.edges[-1]:g}", "(missing)"]

    def indices(self, column: NDArray[Any]) -> NDArray[np.int64]:
        """The bin of each value: int64 [N]."""
        numbers, missing = self.numbers(column)
        last = self.edges[-1]
        indices = np.searchsorted(np.asarray(self.edges), numbers, side="right")
        indices[numbers == last] = len(self.edges) - 1
        indices[missing] = len(self.edges) + 1
        return indices

    @classmethod
    def quantiles(cls, column: NDArray[Any], bins: int = QUANTILE_BINS) -> Self:
        """Quantile bins of a column; one bin a value when it has no more different values than bins."""
        numbers, missing = cls.numbers(column[:MAX_SAMPLED])
        numbers = numbers[~missing & np.isfinite(numbers)]
        if not len(numbers):
            return cls(edges=(0.0, 1.0))
        different = np.unique(numbers)
        if len(different) == 1:
            edges = np.array([different[0], np.nextafter(different[0], np.inf)])
        elif len(different) <= bins:
            middles = (different[:-1] + different[1:]) / 2
            edges = np.concatenate([different[:1], middles, different[-1:]])
        else:
            edges = np.unique(np.quantile(numbers, np.linspace(0, 1, bins + 1)))
        return cls(edges=tuple(float(edge) for edge in edges))


class WordBins(Bins):
    """[one for each value, other, missing]."""

    also: ClassVar[Mapping[Any, int]] = {}
    """Bins of wire values that are no words."""

    @cached_property
    def _codes(self) -> dict[Any, int]:
        codes: dict[Any, int] = {value: index for index, value in enumerate(self.values)}
        codes.setdefault("", len(self.values) + 1)
        return {**codes, **self.also}

    @property
    def size(self) -> int:
        """The number of counts."""
        return len(self.values) + 2

    @property
    def names(self) -> list[str]:
        """The values themselves."""
        values: Sequence[str] = self.values
        if self.sensitive:
            values = [f"value {n}" for n in range(1, len(self.values) + 1)]
        return [*values, "(other)", "(missing)"]

    def indices(self, column: NDArray[Any]) -> NDArray[np.int64]:
        """The bin of each value: int64 [N]."""
        other, codes = len(self.values), self._codes
        items = column.tolist()
        return np.fromiter((codes.get(one, other) for one in items), np.int64, len(items))
