"""The Open Inference Protocol over a real server, asked by Triton's own client where that can say it.

What is right is what the same rows get over TensorFlow Serving's protocol.
"""

from __future__ import annotations

import base64
import json
import struct
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from ropewalk_server.protocols.openinference.rest_messages import read_infer
from tests.server.apps import load
from tests.server.conftest import Server, row
from tests.server.openinference import ROW, TYPES, Given, array, ask, by_tfserving, infer, tensor, tensors, values
from tests.server.pictures import png
from tests.server.zoo import CLASSES, IMAGE, MIXED, NUMBERS, TENSOR

MISSING = {"y": None, "m": None, "note": None}


@pytest.fixture
def client(zoo: Server) -> Iterator[triton.InferenceServerClient]:
    """Triton's client on the zoo."""
    found = triton.InferenceServerClient(f"127.0.0.1:{zoo.ports[0]}")
    yield found
    found.close()


@pytest.mark.parametrize("binary", [False, True])
def test_scalars_of_every_type_go_round(client: triton.InferenceServerClient, zoo: Server, binary: bool) -> None:
    """As JSON and as bytes, the answer of the other protocol."""
    rows = [ROW, {**ROW, "plan": "free", "ok": False, "n": -7}, {**ROW, "plan": "unheard of", "note": "b"}]
    columns = {name: (kind, array(name, rows)) for name, kind in TYPES.items()}
    outputs = ["label", "score", "probabilities"]
    got = ask(client, MIXED, columns, binary=binary, outputs=outputs, request_id="r 1")
    expected = by_tfserving(zoo, MIXED, *rows)
    labels = [one.decode() if isinstance(one, bytes) else one for one in got.as_numpy("label")]
    assert labels == [one["label"] for one in expected]
    assert np.allclose(got.as_numpy("probabilities"), [one["probabilities"] for one in expected], atol=1e-6)
    assert np.allclose(got.as_numpy("score"), [one["score"] for one in expected], atol=1e-6)
    document = got.get_response()
    assert (document["model_name"], document["model_version"], document["id"]) == ("cancer", "1", "r 1")


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    ("datatype", "kind"),
    [
        ("UINT8", np.uint8), ("UINT16", np.uint16), ("UINT32", np.uint32), ("UINT64", np.uint64),
        ("INT8", np.int8), ("INT16", np.int16), ("INT32", np.int32), ("INT64", np.int64),
        ("FP16", np.float16), ("FP32", np.float32), ("FP64", np.float64),
    ],
)  # fmt: skip
def test_every_datatype_is_converted_where_nothing_is_lost(
    client: triton.InferenceServerClient, zoo: Server, datatype: str, kind: Any, binary: bool
) -> None:
    """The number 3 in any type, for a FLOAT and for an INT64."""
    if datatype == "FP16" and not binary:
        assert infer(zoo, MIXED, tensors(x=tensor("x", [3], "FP16"), n=tensor("n", [3.0], "FP16")))[0] == 200
        return
    columns = {name: (one, array(name, [ROW])) for name, one in TYPES.items()}
    columns |= {"x": (datatype, np.array([3], dtype=kind)), "n": (datatype, np.array([3], dtype=kind))}
    got = ask(client, MIXED, columns, binary=binary)
    expected = by_tfserving(zoo, MIXED, {**ROW, "x": 3.0, "n": 3})[0]
    assert np.allclose(got.as_numpy("probabilities")[0], expected["probabilities"], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "equal"),
    [
        (MISSING, MISSING),
        ({name: tensor(name, [None]) for name in MISSING}, MISSING),
        ({"y": float("nan"), "m": -(2**63), "note": ""}, MISSING),
        ({"m": tensor("m", [float("nan")], "FP64")}, {"m": None}),
        ({"note": "never seen"}, {"note": "never seen"}),
        ({"x": {**tensor("x", [[1.25]]), "shape": [1, 1]}}, {}),
    ],
)  # fmt: skip
def test_what_is_missing_or_unknown_means_the_same(zoo: Server, changes: Given, equal: dict[str, Any]) -> None:
    """Absent, null, NaN, INT64_MIN and "" of optional inputs."""
    status, document = infer(zoo, MIXED, tensors(**changes))
    assert status == 200, document
    expected = by_tfserving(zoo, MIXED, {**ROW, **equal})[0]
    assert values(document)["probabilities"] == expected["probabilities"]


def test_images(client: triton.InferenceServerClient, zoo: Server) -> None:
    """Pixels as JSON or bytes, in any type that holds them, or as PNG."""
    pixels = np.arange(0, 256, 8, dtype=np.uint8).reshape(2, 4, 4, 1)
    expected = [one["probabilities"] for one in by_tfserving(zoo, IMAGE, *pixels.tolist())]
    files = np.array([png(one[:, :, 0]) for one in pixels], dtype=np.object_)
    wide = pixels.astype(np.float32)
    for given in (("UINT8", pixels), ("FP32", wide), ("BYTES", files), ("BYTES", files.reshape(2, 1))):
        got = ask(client, IMAGE, {"pixels": given}, binary=True)
        assert np.allclose(got.as_numpy("probabilities"), expected, atol=1e-6)
    for data in (pixels.tolist(), pixels.reshape(-1).tolist()):
        one = {"name": "pixels", "datatype": "UINT8", "shape": list(pixels.shape), "data": data}
        assert infer(zoo, IMAGE, [one])[0] == 200
    texts = [base64.b64encode(one).decode() for one in files]
    encoded = {"name": "pixels", "datatype": "BYTES", "shape": [2], "data": texts}
    assert infer(zoo, IMAGE, [{**encoded, "parameters": {"content_type": "base64"}}])[0] == 200
    for wrong, words in (
        (("FP32", wide + 0.5), "whole"),
        (("INT16", wide.astype(np.int16) - 1), "-1 does not fit UINT8"),
        (("UINT8", pixels[:, :3]), "[2, 3, 4, 1]"),
        (("BYTES", np.array([b"no", b"no"], dtype=np.object_)), "PNG"),
    ):
        with pytest.raises(InferenceServerException) as caught:
            ask(client, IMAGE, {"pixels": wrong}, binary=True)
        assert words in str(caught.value)


@pytest.mark.parametrize("in_binary", [False, True])
def test_a_plain_tensor(client: triton.InferenceServerClient, zoo: Server, in_binary: bool) -> None:
    """[N, 10] FP32, many rows; a NaN in it is refused with its row."""
    rows = np.random.default_rng(3).normal(size=(300, 10)).astype(np.float32)
    got = ask(client, TENSOR, {"x": ("FP32", rows)}, binary=in_binary, outputs=["y"])
    assert np.allclose(got.as_numpy("y"), by_tfserving(zoo, TENSOR, *rows.tolist()), atol=1e-4)
    assert "parameters" not in got.get_response(), "no receipt for outputs that are not interpreted"
    rows[7, 3] = np.nan
    with pytest.raises(InferenceServerException, match="row 7") as caught:
        ask(client, TENSOR, {"x": ("FP32", rows)}, binary=True)
    assert caught.value.status() == "400"


def test_bytes_become_the_engines_input_without_a_copy(zoo: Server) -> None:
    """The column is a view of the body; behind a long JSON it is not, so that no body is kept for one row of it."""
    model = load(zoo.root / "claims" / "zoo" / str(TENSOR), None)
    rows = np.random.default_rng(4).normal(size=(64, 10)).astype(np.float32)
    for padding, shared in ((0, True), (1, True), (2, True), (5000, False)):
        one = {"name": "x", "datatype": "FP32", "shape": [64, 10], "parameters": {"binary_data_size": rows.nbytes}}
        head = json.dumps({"inputs": [one]}).encode() + b" " * padding
        body = head + rows.tobytes()
        asked = read_infer(model, body, str(len(head)).encode(), 100)
        assert np.shares_memory(asked.batch.columns["x"], np.frombuffer(body, np.uint8)) == shared
        assert np.shares_memory(model.encode(asked.batch), np.frombuffer(body, np.uint8)) == shared
        plain, _ = model.decoder.decode({"instances": rows.tolist()}, 100)
        assert np.array_equal(model.predict(asked.batch), model.predict(plain))


def test_numbers_alone(client: triton.InferenceServerClient, zoo: Server) -> None:
    """A regression of two Numbers, decoded into one matrix."""
    columns = {name: ("FP32", np.array(given, np.float32)) for name, given in (("b", [1, 2]), ("a", [3, 4]))}
    got = ask(client, NUMBERS, columns, binary=True, outputs=["value"])
    expected = by_tfserving(zoo, NUMBERS, {"a": 3.0, "b": 1.0}, {"a": 4.0, "b": 2.0})
    assert np.allclose(got.as_numpy("value"), expected)


def test_outputs_are_chosen_one_by_one(zoo: Server) -> None:
    """In the order asked for, each in its own form; the default is the request's."""
    chosen = [{"name": "score"}, {"name": "label", "parameters": {"binary_data": False}}]
    status, document = infer(zoo, MIXED, tensors(), outputs=chosen)
    assert (status, [one["name"] for one in document["outputs"]]) == (200, ["score", "label"])
    assert "id" not in document
    body = json.dumps({"inputs": tensors(), "outputs": chosen, "parameters": {"binary_data_output": True}}).encode()
    port = zoo.ports[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/cancer/infer", body, timeout=10) as answer:
        raw, size = answer.read(), int(answer.headers["Inference-Header-Content-Length"])
        assert answer.headers["content-type"] == "application/octet-stream"
    head = json.loads(raw[:size])
    assert head["outputs"][0]["parameters"] == {"binary_data_size": 4}
    assert values(document)["score"] == pytest.approx(struct.unpack("<f", raw[size:]))
    assert head["outputs"][1]["data"][0] in CLASSES


def test_the_prediction_id_is_good_for_feedback(serving: Server) -> None:
    """In the header, and in the parameters for clients that show no headers."""
    inputs = [tensor(name, [value], "FP32") for name, value in row().items()]
    status, document, headers = serving.post("/v2/models/cancer/infer", {"inputs": inputs})
    ident = headers["ropewalk-prediction-id"]
    assert (status, document["parameters"]["ropewalk-prediction-id"]) == (200, ident)
    assert serving.post("/v1/models/cancer:feedback", {"id": ident, "label": "malignant"})[0] == 200
    assert values(document)["label"] == [serving.predict(row())[1]["predictions"][0]["label"]]


def test_metadata_and_health(client: triton.InferenceServerClient) -> None:
    """As Triton's client reads them."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("cancer")
    assert client.is_model_ready("cancer", str(TENSOR))
    assert not client.is_model_ready("other")
    server = client.get_server_metadata()
    assert (server["name"], server["extensions"]) == ("ropewalk", ["binary_tensor_data"])
    found = client.get_model_metadata("cancer", str(IMAGE))
    assert (found["name"], found["versions"], found["platform"]) == (
        "cancer",
        ["1", "2", "3", "4", "5"],
        "ropewalk_litert",
    )
    assert found["inputs"] == [{"name": "pixels", "datatype": "UINT8", "shape": [-1, 4, 4, 1]}]
    assert found["outputs"][2] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}


def test_long_lists_of_numbers_are_answered_and_refused_as_short_ones(zoo: Server) -> None:
    """They are read another way (`number_lists`): values, shapes and words are the same."""
    rows = np.random.default_rng(5).normal(size=(300, 10)).astype(np.float32)
    flat = rows.ravel().tolist()
    one = {"name": "x", "datatype": "FP32", "shape": [300, 10], "data": flat}
    expected = by_tfserving(zoo, TENSOR, *rows.tolist())
    for datatype in ("FP32", "FP64"):
        status, document = infer(zoo, TENSOR, [{**one, "datatype": datatype}])
        assert status == 200
        assert np.allclose(np.reshape(document["outputs"][0]["data"], (300, 3)), expected, atol=1e-4)
    for changes, words in (
        ({"shape": [299, 10]}, "takes 2990 values, got 3000"),
        ({"datatype": "INT64"}, "is not of datatype INT64"),
        ({"data": [*flat[:-1], None]}, "is missing"),
        ({"data": [*flat[:-1], 1e39]}, "1e+39 does not fit FP32"),
        ({"name": "z"}, "'z' is none of this model's inputs"),
        ({"parameters": {"binary_data_size": 4}}, "both data and binary_data_size"),
    ):
        status, document = infer(zoo, TENSOR, [{**one, **changes}])
        assert (status, words in document["error"]) == (400, True), document


def test_whole_numbers_in_long_lists_keep_all_their_digits(zoo: Server) -> None:
    """What becomes an INT64 is not read as the float32 that other inputs become."""
    model = load(zoo.root / "claims" / "zoo" / str(MIXED), None)
    inputs = [tensor("n", [16777217.0] * 400, "FP64")]
    inputs += [tensor(name, [value] * 400) for name, value in ROW.items() if name != "n"]
    asked = read_infer(model, json.dumps({"inputs": inputs}).encode(), None, 1000)
    assert asked.batch.columns["n"].tolist() == [16777217] * 400
