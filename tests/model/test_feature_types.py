"""A feature type is an object: one that no other file knows is encoded, counted, described and stored all the same."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ropewalk_model import baseline
from ropewalk_model.baseline import Baseline
from ropewalk_model.features import FEATURE_TYPES, NUMBER, Encoder, Encoding, FeatureSpec, fit, registry
from ropewalk_model.features.base import JsonSchema, Unreadable, Write
from ropewalk_model.features.bins import WordBins
from ropewalk_model.features.string import String
from ropewalk_model.tensor_spec import TensorSpec

COLOURS = ("red", "green", "blue")


class ColourBins(WordBins):
    """The strongest channel."""

    kind = "Colour"

    def indices(self, column: NDArray[Any]) -> NDArray[np.int64]:
        """By channel; what is missing last."""
        found = [COLOURS.index(COLOURS[int(np.argmax(channels(one)))]) if one else 4 for one in column]
        return np.array(found, dtype=np.int64)


class Colour(String):
    """#rrggbb: three numbers from 0 to 1."""

    name = "Colour"
    bins_class = ColourBins
    format = "colour"
    expectation = "is no #rrggbb"

    def first_wrong(self, column: NDArray[Any]) -> int | None:
        """The first text that is no colour."""
        return next((row for row, one in enumerate(column) if one and channels(one) is None), None)

    def value_schema(self, spec: FeatureSpec) -> JsonSchema:
        """A text of the pattern."""
        return {"type": "string", "pattern": "^#[0-9a-f]{6}$"}

    def parse(self, spec: FeatureSpec, raw: Any) -> str | None:
        """Lower case."""
        word = super().parse(spec, raw)
        if word is not None and channels(word.lower()) is None:
            raise Unreadable
        return None if word is None else word.lower()

    def width(self, one: Encoding) -> int:
        """A column a channel."""
        return 3

    def encoder(self, one: Encoding) -> Write:
        """Zeros where it is missing."""

        def write(column: NDArray[Any], encoded: NDArray[np.float32]) -> None:
            for row, word in enumerate(column):
                encoded[row] = channels(word) or (0.0, 0.0, 0.0)

        return write

    def document(self, one: Encoding) -> dict[str, Any]:
        """Nothing is learnt."""
        return {"encoding": "Channels"}

    def restore(self, spec: FeatureSpec, document: Mapping[str, Any]) -> Encoding:
        """Nothing was learnt."""
        return Encoding(spec)

    def bins(self, spec: FeatureSpec, column: NDArray[Any], known: Container[str] = ()) -> WordBins:
        """A bin a channel."""
        return ColourBins(values=COLOURS)


def channels(word: str) -> tuple[float, ...] | None:
    """Three numbers from 0 to 1."""
    try:
        return tuple(int(word[at : at + 2], 16) / 255 for at in (1, 3, 5)) if len(word) == 7 else None
    except ValueError:
        return None


@pytest.fixture
def colour(monkeypatch: pytest.MonkeyPatch) -> Colour:
    """The type in the table."""
    found = Colour()
    monkeypatch.setitem(FEATURE_TYPES, found.name, found)
    return found


def test_a_new_type_is_one_object_in_the_table(colour: Colour) -> None:
    """Raw values to wire values, wire values to encoded rows and to counts, and all documents there and back."""
    specs = [FeatureSpec("size", "Number"), FeatureSpec("colour", "Colour", optional=True)]
    accepted = colour.accept(specs[1], ["#FF0000", None, "pink", "#0000ff"])
    assert accepted.values.tolist() == ["#ff0000", "", "", "#0000ff"]
    assert accepted.bad.tolist() == [False, False, True, False]
    assert accepted.missing.tolist() == [False, True, False, False]
    columns = {"size": np.array([1, 2, 3, 4], dtype=np.float32), "colour": accepted.values}
    encoder = fit(specs, columns)
    again = Encoder.from_document(json.loads(json.dumps(encoder.document())))
    assert again.encode(columns)[:, 1:].tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]
    stored = json.loads(json.dumps(baseline.build(specs, columns, np.zeros(4, dtype=np.float32))))
    assert Baseline.from_document(stored).counts["colour"] == (1, 0, 1, 0, 2)
    tensor = TensorSpec.from_document(json.loads(json.dumps(specs[1].tensor.document())))
    assert tensor == specs[1].tensor
    assert registry.of_format(tensor.format) is colour, "the server finds the rule by the signature's format"
    assert colour.first_wrong(np.array(["#ff0000", "", "pink"], dtype=object)) == 2
    assert colour.json_schema(specs[1]) == {"type": "string", "pattern": "^#[0-9a-f]{6}$"}


def test_a_type_that_is_not_in_the_table_is_told() -> None:
    """By its name, with those that are."""
    with pytest.raises(ValueError, match="'Colour' is none of Number, Integer"):
        FeatureSpec("colour", "Colour").kind  # noqa: B018  (it raises)


@pytest.mark.parametrize("spec", [FeatureSpec("a", "Number"), FeatureSpec("a", "Integer", optional=True)])
def test_all_types_refuse_and_fill_alike(spec: FeatureSpec) -> None:
    """A value is read, missing or bad; missing and bad rows hold the filler."""
    accepted = spec.kind.accept(spec, ["1", "", "one", True])
    assert accepted.missing.tolist() == [False, True, False, False]
    assert accepted.bad.tolist() == [False, False, True, True]
    assert spec.kind.present(accepted.values).tolist() == [True, False, False, False]
    assert NUMBER.accept_at_once(["1", "2_0"]) is None
