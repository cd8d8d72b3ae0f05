"""What imported models have that others do not: a tree's digest, calls, several signatures in one document."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from ropewalk_model import calls, manifest, tree
from ropewalk_model.calls import Call
from ropewalk_model.signature import CLASSIFY, NUMPY_DTYPES, Signature, TensorSpec


def test_a_trees_digest_is_that_of_what_sha256sum_prints() -> None:
    """Sorted by bytes; what Ropewalk adds does not count."""
    one, two = hashlib.sha256(b"1").hexdigest(), hashlib.sha256(b"2").hexdigest()
    listed = {"variables/x": f"sha256:{two}", "a é": f"sha256:{one}", manifest.SIGNATURE: f"sha256:{one}"}
    printed = f"{one}  a é\n{two}  variables/x\n"
    assert tree.digest(listed) == f"sha256:{hashlib.sha256(printed.encode()).hexdigest()}"
    assert [tree.printable(name) for name in ("a é/b", "a\\b", "a\nb", "\udcff")] == [True, False, False, False]


def test_several_signatures_are_one_document() -> None:
    """A document of before, which has none of the new keys, is read and written as it was."""
    entry, exit_ = TensorSpec("x", "INT8", (-1, -1, 3)), TensorSpec("y", "DOUBLE", ())
    other = Signature("Tensors", (entry,), (exit_,), name="other", method=CLASSIFY)
    whole = Signature("Tensors", (entry,), (exit_,), others=(other,))
    assert Signature.from_document(json.loads(json.dumps(whole.document()))) == whole
    before = Signature.for_task("Regression", [TensorSpec("x", "FLOAT")]).document()
    assert sorted(before) == ["classes", "formatVersion", "inputs", "outputs", "positive", "task"]
    assert Signature.from_document(before).document() == before


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_calls_come_back_to_the_last_bit(dtype: Any) -> None:
    """Any type and shape, NaN included."""
    values = {
        "STRING": np.array([[b"a", b"\xff"]], dtype=object), "FLOAT": np.array([[np.nan, 0.1]], np.float32),
    }.get(dtype, np.array([[0, 1]], dtype=NUMPY_DTYPES[dtype]))  # fmt: skip
    spec = TensorSpec("x", dtype, (-1, 2))
    document = json.loads(json.dumps(calls.document([Call("s", {"x": values}, {"x": values})])))
    (found,) = calls.of(document, "s", [spec], [spec])
    assert found.inputs["x"].dtype == values.dtype
    assert calls.disagreement({"x": values}, found.outputs, 0.0) is None
    assert calls.of(document, "other", [spec], [spec]) == []


@pytest.mark.parametrize(
    ("want", "got", "words"),
    [
        (np.array([1.0]), np.array([1.00001]), None),
        (np.array([1.0]), np.array([1.1]), "y is off by 0.1"),
        (np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), None),
        (np.array([1.0]), np.array([np.nan]), "y is off by nan"),
        (np.array([1.0]), np.array([[1.0]]), "y is of shape [1, 1], not [1]"),
        (np.array([b"a"], object), np.array([b"b"], object), "y has other values"),
        (np.array([True]), np.array([False]), "y has other values"),
    ],
)
def test_answers_agree_within_the_tolerance(want: Any, got: Any, words: str | None) -> None:
    """Numbers do; text and truth are equal or not."""
    found = calls.disagreement({"y": want}, {"y": got}, 1e-4)
    assert found is words if words is None else found is not None and found.startswith(words)
