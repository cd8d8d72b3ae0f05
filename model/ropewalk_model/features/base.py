"""The contract of a feature type: everything the numpy side needs to know of it. One file a type, one line in the
table of `ropewalk_model.features`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features.bins import Bins
from ropewalk_model.features.spec import Encoding, FeatureSpec
from ropewalk_model.tensor_spec import NUMPY_DTYPES, Dtype

Write = Callable[[NDArray[Any], NDArray[np.float32]], None]
"""`write(column, encoded)`: N wire values into zeroed columns of the encoded matrix, float32 [N, width]."""
JsonSchema = dict[str, Any]
ENCODED_BYTES: JsonSchema = {
    "type": "object",
    "properties": {"b64": {"type": "string", "contentEncoding": "base64"}},
    "required": ["b64"],
    "additionalProperties": False,
}
"""{"b64": ...}: bytes in JSON, as TensorFlow Serving has them."""


class Unreadable(ValueError):
    """A raw value is not of the declared type."""


@dataclass(frozen=True)
class Accepted:
    """Wire values [N] or [N, *shape] of raw values, with two masks [N]; bad and missing rows hold a filler."""

    values: NDArray[Any]
    bad: NDArray[np.bool_]
    missing: NDArray[np.bool_]


class FeatureType(ABC):
    """A feature type. Immutable; one object for all features of the type."""

    name: ClassVar[str]
    """Its name in the API and in stored documents."""
    bins_class: ClassVar[type[Bins] | None]
    """The bins that its values are counted in; None for a type that is not counted."""
    format: ClassVar[str] = ""
    """The rule of JSON Schema that its wire values obey, which clients read in the signature."""
    expectation: ClassVar[str] = ""
    """The end of a message about a value that does not obey `format`; it follows the value."""
    declared: ClassVar[bool] = True
    """True if a Pipeline's schema may declare it."""
    whole: ClassVar[bool] = False
    """True if it is the only feature of its model, and one encoded row has its shape."""
    first_code: ClassVar[int] = 0
    """The code of the vocabulary's first word."""
    bins_of_unseen_rows: ClassVar[bool] = False
    """True if the baseline counts rows that nothing was learnt from, because rows of training look more familiar."""

    def refusal(self, spec: FeatureSpec) -> str | None:
        """Why a feature cannot be declared so, or None."""
        return None

    # Values on the wire.

    @abstractmethod
    def dtype(self, spec: FeatureSpec) -> Dtype:
        """The dtype on the wire, by TensorFlow's name."""

    def first_wrong(self, column: NDArray[Any]) -> int | None:
        """The first row whose wire value is present and does not obey `format`, or None."""
        return None

    def json_schema(self, spec: FeatureSpec) -> JsonSchema:
        """JSON Schema (2020-12) of one row's value in TensorFlow Serving's JSON; null is no part of it."""
        one = self.value_schema(spec)
        for size in reversed(spec.shape):
            one = {"type": "array", "items": one, "minItems": size, "maxItems": size}
        return one

    @abstractmethod
    def value_schema(self, spec: FeatureSpec) -> JsonSchema:
        """JSON Schema of a single value, without the dimensions of `spec.shape`."""

    @abstractmethod
    def example(self, spec: FeatureSpec) -> Any:
        """A single value in JSON, for documentation."""

    # Raw values to wire values.

    def accept(self, spec: FeatureSpec, column: Sequence[Any] | NDArray[Any]) -> Accepted:
        """Raw values of any format (a numpy array of numbers takes a fast path) to wire values. Never inferred: the
        schema says what a column is."""
        at_once = self.accept_at_once(column)
        if at_once is not None:
            nothing = np.zeros(len(at_once), dtype=np.bool_)
            return Accepted(at_once, nothing, nothing)
        filler = self.filler(spec)
        values: list[Any] = []
        bad = np.zeros(len(column), dtype=np.bool_)
        missing = np.zeros(len(column), dtype=np.bool_)
        for row, raw in enumerate(column):
            try:
                value = self.parse(spec, raw)
            except Unreadable:
                bad[row] = True
                value = None
            else:
                missing[row] = value is None
            values.append(filler if value is None else value)
        found: NDArray[Any] = np.empty((len(values), *spec.shape), dtype=NUMPY_DTYPES[self.dtype(spec)])
        for row, value in enumerate(values):
            found[row] = value
        return Accepted(found, bad, missing)

    def accept_at_once(self, column: Sequence[Any] | NDArray[Any]) -> NDArray[Any] | None:
        """Wire values of a column without anything odd about it; None for one that needs to be read value by value."""
        return None

    @abstractmethod
    def parse(self, spec: FeatureSpec, raw: Any) -> Any:
        """The wire value of a raw one; None if it is missing. Raises Unreadable."""

    @abstractmethod
    def filler(self, spec: FeatureSpec) -> Any:
        """The wire value that stands for one that is missing or unreadable."""

    def present(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        """True for wire values that are not missing: bool [N]."""
        return np.ones(len(column), dtype=np.bool_)

    @abstractmethod
    def describe(self, column: NDArray[Any], *, sensitive: bool) -> dict[str, Any]:
        """Statistics of a column of wire values for statistics.json; of a sensitive one without values."""

    # The encoding.

    def fit(self, spec: FeatureSpec, column: NDArray[Any]) -> Encoding:
        """Learn from the wire values of the training rows; missing values are left out."""
        return Encoding(spec)

    @abstractmethod
    def width(self, one: Encoding) -> int:
        """Columns in the encoded matrix."""

    def encoder(self, one: Encoding) -> Write:
        """The function that encodes a column; tables are prepared here, once. TypeError for a type without."""
        raise TypeError(f"{self.name} has no encoder of its own")

    def encode_whole(self, column: NDArray[Any]) -> NDArray[np.float32]:
        """float32 [N, *shape], of a type that is the only feature of its model."""
        raise TypeError(f"{self.name} is one of several features")

    @abstractmethod
    def document(self, one: Encoding) -> dict[str, Any]:
        """The part of the features.json entry beside the name, the type, optional and declared values."""

    def restore(self, spec: FeatureSpec, document: Mapping[str, Any]) -> Encoding:
        """The encoding of a features.json entry, of which `spec` was read already."""
        return Encoding(spec)

    def edge_values(self, one: Encoding) -> list[Any]:
        """Wire values at which two implementations of the encoding would part, if they ever do."""
        return [self.filler(one.spec)]

    def known_words(self, one: Encoding) -> Container[str] | None:
        """The words that counting a value needs to know; None where it needs none."""
        return None

    def token_ids(self, one: Encoding) -> int:
        """The number of ids where the encoded columns are ids of tokens; 0 where they are numbers."""
        return 0

    # Histograms.

    @abstractmethod
    def bins(self, spec: FeatureSpec, column: NDArray[Any], known: Container[str] = ()) -> Bins | None:
        """Bins learnt from wire values; `known` are the words that the model knows. None for a type without bins."""
