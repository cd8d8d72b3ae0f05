"""What clients may send to signatures of any tensors, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk_model.signature import NUMPY_DTYPES, Signature, TensorSpec
from ropewalk_server.protocols.common import named_tensors
from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.protocols.common.must_offload import MANY
from ropewalk_server.protocols.common.named_tensors import TensorsDecoder, written
from ropewalk_server.protocols.protos import tfserving_pb2 as pb
from ropewalk_server.protocols.tfserving import classify_regress
from tests.effort import examples

SIGNATURES = [
    Signature("Tensors", (TensorSpec(f"t{index}", dtype, shape),), (TensorSpec("y", "FLOAT"),))  # type: ignore[arg-type]
    for index, dtype in enumerate(NUMPY_DTYPES)
    for shape in ((-1,), (-1, 2), (-1, -1), (), (3,))
]
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.just(10**400) | st.floats() | st.text(max_size=3)
    | st.just({"b64": "aGk="}) | st.just({"b64": 1})
)  # fmt: skip
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=9)


@settings(max_examples=examples(300), deadline=None)
@given(signature=st.sampled_from(SIGNATURES), value=VALUES, row_form=st.booleans())
def test_any_value_is_an_array_of_the_declared_type_or_a_bad_request(
    signature: Signature, value: Any, row_form: bool
) -> None:
    """Never another exception, never another type or shape."""
    decoder = TensorsDecoder(signature)
    (spec,) = signature.inputs
    try:
        batch, form = decoder.decode({"instances" if row_form else "inputs": value}, 100)
    except BadRequest:
        return
    found = batch.columns[spec.name]
    assert form is row_form
    assert found.dtype == np.dtype(NUMPY_DTYPES[spec.dtype])
    assert len(found.shape) == len(spec.shape)
    assert all(wanted in (-1, size) for wanted, size in zip(spec.shape, found.shape, strict=True))
    if spec.dtype == "STRING":
        assert {type(one) for one in found.reshape(-1)} <= {bytes}


@settings(max_examples=examples(200), deadline=None)
@given(value=st.dictionaries(st.text(max_size=3), VALUES, max_size=3) | VALUES, context=st.none() | VALUES)
def test_any_example_is_serialized_or_a_bad_request(value: Any, context: Any) -> None:
    """Never another exception."""
    try:
        found = classify_regress.examples({"examples": [value]} | ({} if context is None else {"context": context}), 1)
    except BadRequest:
        return
    assert [type(one) for one in found] == [bytes]


@pytest.mark.parametrize(
    ("verb", "outputs"),
    [
        ("classify", {"scores": np.array([[0.1, 2.0], [1e-8, 3e9]], np.float32)}),
        ("classify", {"scores": np.array([[0.1, np.nan], [np.inf, 3e9]], np.float64)}),
        ("classify", {"scores": np.zeros((2, 1)), "classes": np.array([["\u00e9".encode()], [b'"']], object)}),
        ("regress", {"outputs": np.array([[0.1], [np.nan]], np.float32)}),
        ("regress", {"outputs": np.array([0.1, 1e20], np.float32)}),
    ],
)
def test_results_are_in_as_few_digits_as_tell_them_apart(verb: str, outputs: dict[str, Any]) -> None:
    """Those that are no numbers as upstream writes them."""

    def short(value: Any) -> Any:
        if isinstance(value, float):
            return float(str(np.float32(value)))
        return [short(one) for one in value] if isinstance(value, (list, tuple)) else value

    found = classify_regress.classes(outputs, 2) if verb == "classify" else classify_regress.values(outputs, 2)
    body = classify_regress.written(verb, outputs, 2).body.decode()
    assert body == json.dumps({"results": short(found)}, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("wrong", [0.5, np.nan])
@pytest.mark.parametrize("row_form", [False, True])
@pytest.mark.parametrize("names", ["y", "yz", "yzw"])
def test_outputs_of_many_values_are_written_in_parts(wrong: float, row_form: bool, names: str) -> None:
    """And are the same as a whole."""
    rows = MANY // 10 + 7
    numbers = np.arange(rows * 30, dtype=np.float32).reshape(rows, 30)
    numbers[3, 4] = wrong
    words = np.array([[b"a", "\u00e9".encode()], [b"\xff", b""]] * (rows // 2 + 1), object)[:rows]
    arrays = {"y": numbers, "z": np.arange(rows), "w": words}
    outputs = {name: arrays[name] for name in names}
    parts: list[Any] = []

    def key(rows: slice) -> Any:
        document = json.loads(written({name: one[rows] for name, one in outputs.items()}, row_form).body)
        return document["predictions" if row_form else "outputs"]

    whole = key(slice(None))
    for at in range(0, rows, 300):
        parts.append(key(slice(at, at + 300)))
    if isinstance(whole, list):
        joined: Any = [row for part in parts for row in part]
    else:
        joined = {name: [row for part in parts for row in part[name]] for name in whole}
    assert json.dumps(whole) == json.dumps(joined)


@pytest.mark.parametrize("wrong", [0.5, np.nan])
def test_one_row_of_many_values_is_written_in_parts(wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """None has more than the loop may write."""
    outputs = {"y": np.arange(MANY * 6, dtype=np.float32).reshape(1, 2, MANY * 3)}
    outputs["y"][0, 1, 7] = wrong
    whole = written({"y": outputs["y"][0, 1, :]}, False).body
    sizes: list[int] = []

    def dumped(document: Any) -> bytes:
        sizes.append(np.size(document) if not isinstance(document, str) else 1)
        return json.dumps(document if isinstance(document, (str, list)) else document.tolist()).encode()

    monkeypatch.setattr(named_tensors, "_finite", dumped)
    monkeypatch.setattr(named_tensors, "dump_any", dumped)
    found = json.loads(written(outputs, True).body)["predictions"]
    assert json.dumps(found[0][1]) == json.dumps(json.loads(whole)["outputs"])
    assert max(sizes) <= MANY


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"classes": np.array([[1]])}, "classes Tensor of DT_STRING. Got: int64"),
        ({"scores": np.array([[b"a"]], object)}, "scores Tensor of DT_FLOAT. Got: object"),
    ],
)
def test_labels_are_texts_and_scores_are_numbers(outputs: dict[str, Any], words: str) -> None:
    """A signature that says otherwise is told so."""
    with pytest.raises(classify_regress.Unusable, match=words):
        classify_regress.classes(outputs, 1)
    with pytest.raises(classify_regress.Unusable, match="Expected output Tensor of DT_FLOAT"):
        classify_regress.values({"outputs": np.array([b"a"], object)}, 1)


def test_a_context_is_bounded_by_what_it_becomes() -> None:
    """It stands before each example: 2 MB and a million empty ones would take two terabytes."""
    text = "x" * (2 << 20)
    document = {"context": {"a": text}, "examples": [{}] * 31}
    assert len(classify_regress.examples(document, 31)) == 31
    with pytest.raises(BadRequest, match=r"32 examples with a context of 20971.. bytes each, at most 67108864") as why:
        classify_regress.examples({**document, "examples": [{}] * 32}, 32)
    assert why.value.status == 413
    with pytest.raises(BadRequest, match="has 31 rows, at most 30 are allowed"):
        classify_regress.examples(document, 30)
    request = pb.ExamplesRequest()
    listed = request.input.example_list_with_context
    listed.context = text.encode()
    listed.examples.extend([b""] * 32)
    assert len(classify_regress.given(request, 32)) == 32
    listed.examples.append(b"")
    for most, words in ((33, "33 examples with a context of 2097152 bytes"), (32, "has 33 rows, at most 32")):
        with pytest.raises(BadRequest, match=words):
            classify_regress.given(request, most)
    request.input.example_list.examples.extend([b""] * 33)
    with pytest.raises(BadRequest, match="has 33 rows, at most 32"):
        classify_regress.given(request, 32)


@pytest.mark.parametrize(
    ("outputs", "row_form", "expected"),
    [
        ({"y": np.array([0.1, 2], np.float32)}, True, '{"predictions":[0.1,2.0]}'),
        ({"y": np.array(0.1, np.float32)}, False, '{"outputs":0.1}'),
        ({"y": np.array([0.1, np.nan], np.float32)}, False, '{"outputs":[0.1,NaN]}'),
        ({"y": np.array([0.5], np.float16), "z": np.array([1], np.uint8)}, True, '{"predictions":[{"y":0.5,"z":1}]}'),
        ({"y": np.array([b"a", b"\xff"], object)}, False, '{"outputs":["a",{"b64":"/w=="}]}'),
        ({"y_bytes": np.array([b"a"], object)}, False, '{"outputs":[{"b64":"YQ=="}]}'),
        ({"y": np.zeros((0, 2), np.float32)}, False, '{"outputs":[]}'),
        ({"y": np.array([2**63], np.uint64)}, False, '{"outputs":[9223372036854775808]}'),
    ],
)
def test_outputs_are_written_as_upstream_writes_them(outputs: Any, row_form: bool, expected: str) -> None:
    """Numbers in the digits of their type, text as text, what is no text in base64."""
    answer = written(outputs, row_form)
    assert (answer.status, answer.body.decode()) == (200, expected)


def test_rows_that_no_output_has_are_upstreams_error() -> None:
    """The form of rows wants as many of each."""
    for outputs, words in (
        ({"y": np.zeros(())}, "Tensor name: y has no shape information "),
        ({"y": np.zeros(0)}, "Tensor name: y has invalid batch size: 0"),
        ({"y": np.zeros(2), "z": np.zeros(3)}, "Tensor name: z has inconsistent batch size: 3 expecting batch size: 2"),
    ):
        answer = named_tensors.written(outputs, row_form=True)
        assert (answer.status, json.loads(answer.body)["error"]) == (400, words)
