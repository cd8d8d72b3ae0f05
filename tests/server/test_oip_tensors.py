"""Named tensors: the same numbers as `json` and the careful decoder read, and only BadRequest for what is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ropewalk_server.protocols.common.column_conversion import DATATYPES
from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.protocols.common.oip_tensors import Tensor, array_to_raw, batch_of, outputs_of, raw_to_array
from ropewalk_server.protocols.openinference.rest_messages import read_infer
from ropewalk_server.serving.model import Model
from tests.server.apps import load
from tests.server.conftest import Server
from tests.server.openinference import ROW, TYPES, tensors
from tests.server.zoo import MIXED, NUMBERS

ROWS = 100
quiet = settings(max_examples=200, deadline=None)
numbers = st.floats(width=32) | st.integers(-(2**63), 2**64) | st.none() | st.booleans() | st.just(3.5e38)


@pytest.fixture(scope="module")
def versions(zoo: Server) -> dict[int, Model]:
    """The zoo's versions in this process."""
    return {number: load(Path(zoo.root) / "claims" / "zoo" / str(number), None) for number in (MIXED, NUMBERS)}


@quiet
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=10), st.sampled_from(["FP32", "FP64"]))
@example([(1.5, 2)], "FP64")
def test_numbers_are_what_the_other_protocol_reads(versions: dict[int, Model], pairs: list[Any], datatype: str) -> None:
    """Or refused by both: the shortcut for many Numbers has no rules of its own."""
    model = versions[NUMBERS]
    columns = {"a": [a for a, _ in pairs], "b": [b for _, b in pairs]}
    inputs = {name: Tensor(datatype, (len(pairs),), given) for name, given in columns.items()}
    try:
        expected, _ = model.decoder.decode({"inputs": columns}, ROWS)
    except BadRequest:
        with pytest.raises(BadRequest):
            batch_of(model, inputs, ROWS)
        return
    got = batch_of(model, inputs, ROWS)
    for name in columns:
        assert np.array_equal(got.columns[name], expected.columns[name])


@quiet
@given(st.sampled_from([name for name in DATATYPES if name != "BYTES"]), st.data())
def test_arrays_go_to_bytes_and_back(datatype: str, data: Any) -> None:
    """Every datatype of numbers, to the last bit."""
    given_array = data.draw(arrays.arrays(DATATYPES[datatype], arrays.array_shapes(max_dims=3, max_side=4)))
    raw = array_to_raw(Tensor(datatype, given_array.shape, given_array))
    assert raw == given_array.tobytes()
    back = raw_to_array(datatype, given_array.shape, raw)
    assert (back.dtype, back.shape, back.tobytes()) == (given_array.dtype, given_array.shape, raw)
    with pytest.raises(BadRequest, match="takes"):
        raw_to_array(datatype, given_array.shape, raw + b"\0")


@quiet
@given(st.lists(st.binary(max_size=20), max_size=6))
def test_bytes_go_to_bytes_and_back(elements: list[bytes]) -> None:
    """With lengths before them; text is UTF-8."""
    raw = array_to_raw(Tensor("BYTES", (len(elements),), elements))
    assert raw_to_array("BYTES", (len(elements),), raw).tolist() == elements
    assert array_to_raw(Tensor("BYTES", (1,), ["ä"])) == b"\2\0\0\0\xc3\xa4"


@quiet
@given(st.data())
def test_a_damaged_request_is_a_bad_request_or_none(versions: dict[int, Model], data: Any) -> None:
    """One byte replaced, inserted or taken away, in the JSON or in the bytes after it."""
    raw = {name: array_to_raw(Tensor(TYPES[name], (1,), np.array([value]))) for name, value in ROW.items()}
    inputs = [
        {"name": name, "shape": [1], "datatype": TYPES[name], "parameters": {"binary_data_size": len(raw[name])}}
        if name in ("x", "n", "plan")
        else one
        for name, one in zip(ROW, tensors(), strict=True)
    ]
    head = json.dumps({"inputs": inputs, "id": "1", "outputs": [{"name": "score"}]}).encode()
    body = head + b"".join(raw[name] for name in ("x", "n", "plan"))
    at = data.draw(st.integers(0, len(body) - 1))
    new = data.draw(st.binary(max_size=1) | st.sampled_from([b'"', b"[", b"]", b"{", b",", b"9", b"-", b"e", b"null"]))
    damaged = body[:at] + new + body[at + data.draw(st.integers(0, 1)) :]
    length = len(head) + data.draw(st.integers(-1, 1))
    try:
        asked = read_infer(versions[MIXED], damaged, str(length).encode(), ROWS)
    except BadRequest:
        return
    assert asked.batch.rows == 1
    assert np.isfinite(versions[MIXED].predict(asked.batch)).all()


def test_outputs_are_the_signatures(versions: dict[int, Model]) -> None:
    """All in its order, or those asked for in theirs."""
    model = versions[MIXED]
    core = np.array([[0.1, 0.7, 0.2]], dtype=np.float32)
    found = outputs_of(model.signature, core, None)
    assert [(one.datatype, one.shape) for one in found] == [("BYTES", (1,)), ("FP32", (1,)), ("FP32", (1, 3))]
    assert found[0].data.tolist() == ["middle"]  # type: ignore[union-attr]
    assert [one.shape for one in outputs_of(model.signature, core, ["probabilities", "score"])] == [(1, 3), (1,)]
    for wanted in (["other"], ["score", "score"]):
        with pytest.raises(BadRequest):
            outputs_of(model.signature, core, wanted)
