"""Lists of numbers taken out of a document: with them put back, it is what `json` reads; all else stays as it is."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk_server.protocols.common.number_lists import LONG, taken_out
from tests.effort import examples

LENGTH = 400
"""Numbers that take more than LONG bytes, whichever they are."""
values = st.floats(-(2.0**99), 2.0**99, width=32).filter(lambda one: one == 0 or abs(one) > 1e-30)
rows = st.lists(values, min_size=1, max_size=30)


def long(some: list[float]) -> list[float]:
    """These over and over."""
    return (some * LENGTH)[:LENGTH] + [123456.5] * (LONG // 8)


def put_back(node: Any, lists: Any) -> Any:
    """The document with its lists where the words are."""
    if isinstance(node, dict):
        return {key: put_back(value, lists) for key, value in node.items()}
    if isinstance(node, list):
        return [put_back(value, lists) for value in node]
    return lists[node].tolist() if isinstance(node, str) and node in lists else node


@settings(max_examples=examples(300))
@given(
    st.lists(rows, min_size=1, max_size=4), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]), st.booleans()
)
def test_a_document_is_the_same_with_its_lists_put_back(
    given_rows: list[list[float]], separators: tuple[str, str], parameters: bool
) -> None:
    """Whatever stands around them, in several inputs."""
    inputs = [{"name": f"data{n}", "datatype": "FP32", "data": long(row)} for n, row in enumerate(given_rows)]
    document: dict[str, Any] = {"inputs": inputs, "id": '"data":[1,2]'}
    if parameters:
        document["parameters"] = {"data": [1, 2], '"data': [3]}
    text = json.dumps(document, separators=separators).encode()
    short, lists = taken_out(text)
    assert len(lists) == len(inputs)
    assert len(short) < LONG
    assert put_back(json.loads(short), lists) == put_back(document, lists)
    assert all(found.dtype == np.float32 for found in lists.values())


@pytest.mark.parametrize("odd", ["null", "true", "[1,2]", "1e39", '"a"', "01", "", "NaN"])
def test_a_list_with_anything_else_stays(odd: str) -> None:
    """At its end, and so do those behind it."""
    text = b'{"inputs":[{"data":[%s%s]},{"data":[%s1]}]}' % (b"1.5," * LONG, odd.encode(), b"1.5," * LONG)
    assert taken_out(text) == (text, {})


def test_short_lists_stay() -> None:
    """However many there are."""
    text = json.dumps({"inputs": [{"data": [1.5, 2.5]}] * LONG}).encode()
    assert taken_out(text) == (text, {})


def test_a_list_that_does_not_end_is_not_read_beyond_the_text() -> None:
    """Nor is one that is not begun."""
    for text in (b'{"data":[' + b"1," * LONG, b'{"data":' + b" " * LONG, b'"data"' * LONG, b'{"data":[1' + b"0" * LONG):
        assert taken_out(text) == (text, {})
