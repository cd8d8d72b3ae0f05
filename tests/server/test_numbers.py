"""The fast decoder of numbers: what it answers is what `json` reads, and of all that is odd it says nothing."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ropewalk_server.protocols import numbers

NAMES = ("a", "b")
PAD = " " * numbers.SMALL
finite = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-(2**53), 2**53)
pads = st.sampled_from(["", PAD])
"""Small bodies and others are read in two ways."""
matrices = st.lists(st.lists(finite, min_size=3, max_size=3), min_size=1, max_size=20)


@given(matrices, pads)
@example([[0.0, 0.0, 7.205758974296064e16]], "")
@example([[0.0, 0.0, 3.4028234663852886e38]], "")
def test_rows_are_what_json_reads(matrix: list[list[float]], pad: str) -> None:
    """Cast once to float32."""
    found = numbers.rows((json.dumps({"instances": matrix}) + pad).encode(), "instances", (3,), 100)
    assert found is not None
    assert found.dtype == np.float32
    assert np.array_equal(found, np.array(matrix, dtype=np.float64).astype(np.float32))


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=20))
def test_columns_are_what_json_reads(pairs: list[tuple[float, float]]) -> None:
    """In the order of the model's names, whatever the request's."""
    document = {"inputs": {"b": [b for _, b in pairs], "a": [a for a, _ in pairs]}}
    found = numbers.columns((json.dumps(document) + PAD).encode(), "inputs", NAMES, 100)
    assert found is not None
    assert np.array_equal(found, np.array(pairs, dtype=np.float64).astype(np.float32))


@settings(max_examples=500)
@given(matrices, pads, st.data())
@example([[1, 2, 3]], "", None)
def test_a_damaged_body_is_left_to_the_careful_decoder_or_read_as_json_reads_it(
    matrix: list[list[float]], pad: str, data: Any
) -> None:
    """One byte replaced, inserted or taken away."""
    body = (json.dumps({"instances": matrix}) + pad).encode()
    if data is not None:
        at = data.draw(st.integers(0, len(body) - 1))
        new = data.draw(
            st.sampled_from([b"", b"[", b"]", b",", b"9", b"-", b".", b"e", b'"', b"\\", b"{", b"\xff", b" "])
        )
        body = body[:at] + new + body[at + data.draw(st.integers(0, 1)) :]
    found = numbers.rows(body, "instances", (3,), 100)
    if found is not None:
        assert np.array_equal(found, np.array(json.loads(body)["instances"], dtype=np.float64).astype(np.float32))
        assert list(json.loads(body)) == ["instances"]


@pytest.mark.parametrize(
    "value",
    [
        "[[1,2,3],[4,5]]",
        "[[1,2,3],[4,5,6,7]]",
        "[[1,2],[3,4],[5,6]]",
        "[[1,2,3],4,5,6]",
        "[1,2,3]",
        "[]",
        "[[]]",
        "[[1,2,NaN]]",
        "[[1,2,1e39]]",
        "[[1,2,1e400]]",
        "[[1,2,null]]",
        "[[1,2,true]]",
        '[[1,2,"3"]]',
        '[[1,2,3]], "instances": [[4,5,6]]',
        '[[1,2,3]], "signature_name": "x"',
        "[[1,2,3]]]",
        "[[1,2,3]",
    ],
)
@pytest.mark.parametrize("pad", ["", PAD])
def test_what_is_odd_gets_no_answer(value: str, pad: str) -> None:
    """The careful decoder has the words for it."""
    if '], "instances"' in value and not pad:
        return  # the last of two equal keys, as the careful decoder has it
    assert numbers.rows(('{"instances": ' + value + "}" + pad).encode(), "instances", (3,), 100) is None


def test_too_many_rows_get_no_answer() -> None:
    """The limit is the careful decoder's to explain."""
    body = json.dumps({"instances": [[1.5, 2.5, 3.5]] * 101}).encode()
    assert numbers.rows(body, "instances", (3,), 100) is None
    columns = json.dumps({"inputs": {"a": [1.0] * 101, "b": [1.0] * 101}}).encode()
    assert numbers.columns(columns, "inputs", NAMES, 100) is None


@pytest.mark.parametrize(
    "value",
    [
        '{"a": [1, 2], "b": [1]}',
        '{"a": [1, 2]}',
        '{"a": [1], "b": [1], "c": [1]}',
        '{"a": [1], "a": [1]}',
        '{"a": [1], "b": [null]}',
        '{"a": [1], "b": ["1"]}',
        '{"a": [1], "b": [[1]]}',
        '{"a": [1], "b": 1}',
        '{"a": 1, "b": [[1]]}',
        '{"a": [], "b": []}',
        "[[1, 2]]",
    ],
)
def test_odd_columns_get_no_answer(value: str) -> None:
    """As with rows."""
    assert numbers.columns(('{"inputs": ' + value + "}" + PAD).encode(), "inputs", NAMES, 100) is None


def test_images_keep_their_shape() -> None:
    """Any depth that the signature declares."""
    image = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3, 1) / 8
    found = numbers.rows((json.dumps({"instances": image.tolist()}) + PAD).encode(), "instances", (4, 3, 1), 10)
    assert found is not None
    assert np.array_equal(found, image)
    assert math.prod(found.shape) == 24


@given(st.lists(st.floats() | st.integers(-(10**400), 10**400) | finite, min_size=1, max_size=20))
@example([3.4028235677973366e38])
@example([3.4028234663852886e38, 1])
def test_a_few_floats_are_what_numpy_makes_of_them(values: list[float]) -> None:
    """Or nothing, for what is not finite or may be too large."""
    narrow = numbers.few_floats(values)
    largest = float(np.finfo(np.float32).max)
    if narrow is None:
        assert (
            not all(abs(one) < largest * (1 - 1e-3) for one in values)
            or b"\xff\xff\x7f" in np.array(values, "<f4").tobytes()
        )
    else:
        assert all(math.isfinite(one) and abs(one) <= largest for one in values)
        assert np.array_equal(narrow, np.array(values, dtype=np.float64).astype(np.float32))
