"""Histograms of features and predictions in fixed bins. The same code counts training rows and live traffic."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import text, timestamps
from ropewalk_model.features import Columns, FeatureSpec
from ropewalk_model.signature import INT64_MISSING

QUANTILE_BINS = 10
VALUE_BINS = 20
MAX_CATEGORIES = 100
_MAX_SAMPLED = 200_000

Kind = Literal["Number", "Integer", "Category", "Boolean", "Image", "Text", "Timestamp"]
LENGTHS = 4
SHARES = ("all words known", "a quarter unknown at most", "more unknown")
SOME_UNKNOWN = 0.25
"""A text is counted by its length and by the share of its words that the model does not know."""
LOOKED_AT, WORDS_LOOKED_AT = 256, 32
"""Characters and words of a text that the share is taken of: all would cost as much as the encoding does."""
HOURS = tuple(float(hour) for hour in range(0, 25, 3))
"""Edges of a Timestamp's bins, hours of the day (UTC): dates move on by themselves, and say nothing of drift."""


@dataclass(frozen=True)
class Bins:
    """Bins of one feature, or of the predictions.

    Numeric kinds (Number, Integer, Image by mean intensity in [0, 1]): [under, one for each pair of neighbouring
    edges, over, missing]; a bin holds edge <= x < next edge, the last one its upper edge too.
    A Timestamp is its hour of the day, in [0, 24].
    Words (Category, Boolean): [one for each value, other, missing].
    Text: [for each length, which ends at an edge, one for each of SHARES; missing].
    """

    kind: Kind
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    sensitive: bool = False
    """True: edges and values, which come from training rows, must not leave the store and the server's memory."""
    known: Container[str] = field(default=(), compare=False, repr=False)
    """Words that the model knows: what counting a Text needs, and no document of bins has."""
    _codes: Mapping[Any, int] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        codes: dict[Any, int] = {value: index for index, value in enumerate(self.values)}
        codes.setdefault("", len(self.values) + 1)
        if self.kind == "Boolean":
            codes |= {False: 0, True: 1}
        object.__setattr__(self, "_codes", codes)

    @property
    def numeric(self) -> bool:
        """True if the bins have edges."""
        return self.kind in ("Number", "Integer", "Image", "Timestamp")

    @property
    def size(self) -> int:
        """Number of counts."""
        if self.kind == "Text":
            return (len(self.edges) + 1) * len(SHARES) + 1
        return len(self.edges) + 2 if self.numeric else len(self.values) + 2

    @property
    def names(self) -> list[str]:
        """A name for each count, for people; of a sensitive feature it does not tell what is counted."""
        if self.kind == "Text":
            lengths = [f"at most {edge:g} characters" for edge in self.edges] + ["longer"]
            if self.sensitive:
                lengths = [f"length {n}" for n in range(1, len(self.edges) + 2)]
            return [*(f"{length}, {share}" for length in lengths for share in SHARES), "(missing)"]
        if not self.numeric:
            values = [f"value {n}" for n in range(1, len(self.values) + 1)] if self.sensitive else self.values
            return [*values, "(other)", "(missing)"]
        if self.sensitive:
            return ["(under)", *(f"range {n}" for n in range(1, len(self.edges))), "(over)", "(missing)"]
        spans = [f"{low:g}..{high:g}" for low, high in zip(self.edges, self.edges[1:], strict=False)]
        return [f"< {self.edges[0]:g}", *spans, f"> {self.edges[-1]:g}", "(missing)"]

    def count(self, column: NDArray[Any]) -> NDArray[np.int64]:
        """Counts of a column of wire values, in the order of `names`."""
        return np.bincount(self._indices(column), minlength=self.size)

    def _indices(self, column: NDArray[Any]) -> NDArray[np.int64]:
        if self.kind == "Text":
            return np.fromiter(map(self._cell, column), np.int64, len(column))
        if not self.numeric:
            other = len(self.values)
            items = column.tolist()
            return np.fromiter((self._codes.get(one, other) for one in items), np.int64, len(items))
        numbers, missing = as_numbers(self.kind, column)
        last = self.edges[-1]
        indices = np.searchsorted(np.asarray(self.edges), numbers, side="right")
        indices[numbers == last] = len(self.edges) - 1
        indices[missing] = len(self.edges) + 1
        return indices

    def _cell(self, value: str) -> int:
        if not value:
            return self.size - 1
        words = text.words(value[:LOOKED_AT], WORDS_LOOKED_AT)
        unknown = sum(word not in self.known for word in words)
        share = 0 if not unknown else 1 if unknown <= SOME_UNKNOWN * len(words) else 2
        return bisect_left(self.edges, len(value)) * len(SHARES) + share

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        document = {"kind": self.kind, "edges": list(self.edges), "values": list(self.values)}
        return {**document, "sensitive": True} if self.sensitive else document

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Bins:
        """Inverse of `document`."""
        sensitive = document.get("sensitive") is True
        return Bins(document["kind"], tuple(document["edges"]), tuple(document["values"]), sensitive)

    @property
    def public(self) -> Bins:
        """As many bins, in which nobody can read a sensitive feature's values; others as they are."""
        if not self.sensitive:
            return self
        edges = tuple(float(n) for n in range(len(self.edges)))
        return replace(self, edges=edges, values=tuple(self.names[: len(self.values)]))


def as_numbers(kind: Kind, column: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A numeric column as float64, and which of its values are missing."""
    if kind == "Image":
        rows = len(column)
        means = column.reshape(rows, -1).mean(axis=1, dtype=np.float64) / 255.0 if rows else np.zeros(0)
        return means, np.zeros(rows, dtype=np.bool_)
    if kind == "Timestamp":
        moments = timestamps.column_seconds(column)
        return moments % timestamps.DAY / 3600, moments == INT64_MISSING
    numbers = np.asarray(column, dtype=np.float64)
    missing = np.isnan(numbers)
    if kind == "Integer":
        missing |= numbers == float(INT64_MISSING)
    return numbers, missing


def numeric_bins(kind: Kind, column: NDArray[Any], bins: int = QUANTILE_BINS) -> Bins:
    """Quantile bins of a column; one bin a value when it has no more different values than bins."""
    numbers, missing = as_numbers(kind, column[:_MAX_SAMPLED])
    numbers = numbers[~missing & np.isfinite(numbers)]
    if not len(numbers):
        return Bins(kind, edges=(0.0, 1.0))
    different = np.unique(numbers)
    if len(different) == 1:
        edges = np.array([different[0], np.nextafter(different[0], np.inf)])
    elif len(different) <= bins:
        middles = (different[:-1] + different[1:]) / 2
        edges = np.concatenate([different[:1], middles, different[-1:]])
    else:
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, bins + 1)))
    return Bins(kind, edges=tuple(float(edge) for edge in edges))


def feature_bins(spec: FeatureSpec, column: NDArray[Any], known: Container[str] = ()) -> Bins:
    """The bins of a feature, learnt from these rows; `known` are the words of a Text that the model knows."""
    if spec.type == "Timestamp":
        return Bins("Timestamp", edges=HOURS)
    if spec.type == "Text":
        lengths = np.array([len(value) for value in column if value], dtype=np.float64)
        shares = np.linspace(0, 1, LENGTHS + 1)[1:-1]
        edges = np.unique(np.quantile(lengths, shares, method="lower")) if len(lengths) else np.zeros(0)
        return Bins("Text", edges=tuple(float(edge) for edge in edges), known=known)
    if spec.type in ("Number", "Integer", "Image"):
        return numeric_bins(spec.type, column)
    if spec.type == "Boolean":
        return Bins("Boolean", values=("false", "true"))
    words, counts = np.unique(np.asarray([word for word in column if word != ""], dtype=str), return_counts=True)
    ranked = [str(words[index]) for index in np.lexsort((words, -counts))]
    declared = [value for value in spec.values or () if value not in ranked]
    return Bins("Category", values=tuple((ranked + declared)[:MAX_CATEGORIES]))


class Counter:
    """Additive counts by feature. Not thread-safe: one thread adds."""

    def __init__(self, bins_by_feature: Mapping[str, Bins]) -> None:
        self.bins = dict(bins_by_feature)
        self.rows = 0
        self._counts = {name: np.zeros(bins.size, dtype=np.int64) for name, bins in self.bins.items()}

    def add(self, columns: Columns, rows: int) -> None:
        """Count so many rows of these columns; columns without bins are ignored."""
        for name, bins in self.bins.items():
            self._counts[name] += bins.count(columns[name])
        self.rows += rows

    @property
    def counts(self) -> dict[str, list[int]]:
        """Counts so far."""
        return {name: counts.tolist() for name, counts in self._counts.items()}


def count_many(bins: Mapping[str, Bins], columns: Columns) -> dict[str, list[int]]:
    """Counts of one set of columns."""
    counter = Counter(bins)
    counter.add(columns, 0)
    return counter.counts


def prediction_bins(predictions: NDArray[Any], classes: Sequence[str]) -> Bins:
    """Bins of predictions: the classes, or 20 quantiles of a regression's values."""
    if classes:
        return Bins("Category", values=tuple(classes))
    return numeric_bins("Number", predictions, VALUE_BINS)
