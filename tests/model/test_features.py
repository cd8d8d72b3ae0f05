"""The encoding: missing and unknown values, constants, and the round trip through JSON."""

from __future__ import annotations

import json

import numpy as np

from ropewalk_model.features import CLIP, Encoder, FeatureSpec, fit
from ropewalk_model.signature import INT64_MISSING

SPECS = [
    FeatureSpec("size", "Number"),
    FeatureSpec("age", "Integer", optional=True),
    FeatureSpec("member", "Boolean"),
    FeatureSpec("plan", "Category", optional=True, values=("free", "pro")),
]


def columns(rows: int = 4) -> dict[str, np.ndarray]:
    """A few rows with everything odd in them."""
    return {
        "size": np.array([1.0, 2.0, 3.0, np.nan], dtype=np.float32)[:rows],
        "age": np.array([30, 40, INT64_MISSING, 50], dtype=np.int64)[:rows],
        "member": np.array([True, False, True, False])[:rows],
        "plan": np.array(["free", "pro", "", "gold"], dtype=object)[:rows],
    }


def test_missing_and_unknown_values_have_slots_of_their_own() -> None:
    """A missing number is the mean with its flag up; an unknown word and a missing one differ."""
    encoded = fit(SPECS, columns()).encode(columns())
    assert encoded.shape == (4, 1 + 2 + 1 + 4)
    assert encoded[3, 0] == 0.0, "a missing required number is the mean"
    assert encoded[2, 1:3].tolist() == [0.0, 1.0], "a missing optional one too, and it says so"
    assert encoded[:, 3].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert encoded[2, 4:].tolist() == [0, 0, 0, 1]
    assert encoded[3, 4:].tolist() == [0, 0, 1, 0]


def test_encoding_survives_json_to_the_last_bit() -> None:
    """What is stored encodes as what was fitted."""
    encoder = fit(SPECS, columns())
    again = Encoder.from_document(json.loads(json.dumps(encoder.document())))
    assert np.array_equal(encoder.encode(columns()), again.encode(columns()))


def test_extremes_and_constants_stay_finite() -> None:
    """An infinity is clipped, a column without spread is not divided by zero."""
    specs = [FeatureSpec("a", "Number"), FeatureSpec("b", "Number")]
    train = {"a": np.array([1, 2, 3], dtype=np.float32), "b": np.array([7, 7, 7], dtype=np.float32)}
    encoder = fit(specs, train)
    odd = {"a": np.array([np.inf, -np.inf], dtype=np.float32), "b": np.array([7, 1e30], dtype=np.float32)}
    encoded = encoder.encode(odd)
    assert np.isfinite(encoded).all()
    assert encoded[:, 0].tolist() == [CLIP, -CLIP]
    assert encoded[0, 1] == 0.0


def test_a_row_alone_is_encoded_as_among_others() -> None:
    """No arithmetic depends on the batch."""
    encoder = fit(SPECS, columns())
    whole = encoder.encode(columns())
    for row in range(4):
        single = {name: column[row : row + 1] for name, column in columns().items()}
        assert np.array_equal(encoder.encode(single)[0], whole[row])
