"""Imported SavedModels in a server, asked by REST, by gRPC and by the Open Inference Protocol."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
import tritonclient.grpc as triton

from ropewalk_model import manifest
from ropewalk_server import model as models
from ropewalk_server.engines import freezer
from ropewalk_server.model import LoadError, read_parts
from tests import foreign
from tests.server.conftest import Server, next_ports
from tests.server.grpc_clients import connected, refused, request
from tests.trainer.imports import imported

KERAS, SEVERAL, WORDS, EXAMPLES = 1, 2, 3, 4
MODELS = {KERAS: foreign.keras, SEVERAL: foreign.several, WORDS: foreign.words, EXAMPLES: foreign.examples}
Numbered = dict[int, dict[str, Any]]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Numbered]:
    """A store with all models imported, and what the errand said of each."""
    root = tmp_path_factory.mktemp("foreign")
    return root, {number: imported(root, make, number) for number, make in MODELS.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, versions: tuple[Path, Numbered]) -> Iterator[Server]:
    """A server that holds them all; the Keras export is live."""
    root = tmp_path_factory.mktemp("imported")
    shutil.copytree(versions[0] / "claims", root / "claims")
    found = Server(root, next_ports())
    found.tell(KERAS, [{**said, "version": number} for number, said in versions[1].items()])
    found.start()
    found.until(lambda: [one["state"] for one in found.status()["versions"]] == ["Proved"] * len(MODELS), 60)
    yield found
    assert found.stop() == 0


def ask(server: Server, number: int, body: dict[str, Any], verb: str = "predict") -> tuple[int, dict[str, Any]]:
    """POST to a version."""
    return server.post(f"/v1/models/cancer/versions/{number}:{verb}", body)[:2]


def original(versions: tuple[Path, Numbered], number: int) -> Any:
    """The user's own directory, loaded by TensorFlow."""
    return tf.saved_model.load(str(versions[0] / "claims" / "models" / MODELS[number].__name__ / str(number)))


def test_a_keras_export_is_served_by_the_fast_engine(server: Server, versions: tuple[Path, Numbered]) -> None:
    """Rows of numbers in, rows of numbers out, as TensorFlow computes them; both of its signatures are there."""
    assert server.status()["versions"][0]["engine"] == "LiteRT"
    rows = np.random.default_rng(1).normal(size=(5, 10)).astype(np.float32)
    wanted = original(versions, KERAS).signatures["serving_default"](tf.constant(rows))["output_0"].numpy()
    for name in ({}, {"signature_name": "serve"}, {"signature_name": "serving_default"}, {"signature_name": ""}):
        status, said = ask(server, KERAS, {"instances": rows.tolist(), **name})
        assert status == 200, said
        assert np.allclose(said["predictions"], wanted, atol=1e-5)
    status, said = ask(server, KERAS, {"instances": rows.tolist(), "signature_name": "other"})
    assert (status, said["error"]) == (
        400,
        'Serving signature name: "other" not found in signature def; use "serve" or "serving_default"',
    )


def test_a_signature_of_several_tensors_takes_rows_and_columns(server: Server) -> None:
    """Named values a row, or named arrays; types as they are declared and not another."""
    rows = {"instances": [{"a": [1, 1], "b": 1}, {"a": [0, 1], "b": 2}]}
    assert ask(server, SEVERAL, rows) == (
        200,
        {"predictions": [{"even": False, "sum": [5.0, 7.0]}, {"even": True, "sum": [5.0, 6.0]}]},
    )
    columns = {"inputs": {"a": [[1, 1], [0, 1]], "b": [1, 2]}}
    assert ask(server, SEVERAL, columns) == (200, {"outputs": {"even": [False, True], "sum": [[5.0, 7.0], [5.0, 6.0]]}})
    for damage, words in (
        ({"a": [1.0], "b": 1}, "input a: expecting shape [-1, 2], got [1, 1]"),
        ({"a": [1.0, 2.0], "b": 1.5}, "input b: 1.5 is not of expected type: int32"),
        ({"a": [1.0, 2.0], "b": 2**40}, "input b: 1099511627776 does not fit int32"),
        ({"a": [1.0, True], "b": 1}, "input a: true is not of expected type: float32"),
        ({"a": [1.0, None], "b": 1}, "input a: null is not of expected type: float32"),
        ({"a": [1.0, 2.0]}, "Missing named input: b"),
        ({"a": [1.0, 2.0], "b": 1, "c": 1}, "does not have named input: c"),
    ):
        status, said = ask(server, SEVERAL, {"instances": [damage]})
        assert (status, words in said["error"]) == (400, True), said


def test_a_named_signature_has_its_own_shapes(server: Server) -> None:
    """Sizes that it leaves open are the request's; an output without rows is for the form of columns only."""
    columns = {"signature_name": "total", "inputs": [[1, 2, 3], [4, 5, 6]]}
    assert ask(server, SEVERAL, columns) == (200, {"outputs": {"all": 21.0, "total": [6.0, 15.0]}})
    status, said = ask(server, SEVERAL, {"signature_name": "total", "instances": [[1, 2], [3, 4]]})
    assert (status, said["error"]) == (400, "Tensor name: all has no shape information ")
    status, said = ask(server, SEVERAL, {"signature_name": "total", "inputs": [[1, 2], [3]]})
    assert (status, "lists differ in length" in said["error"]) == (400, True)
    status, said = ask(server, SEVERAL, {"signature_name": "total", "inputs": [[1, float("nan")]]})
    assert status == 200
    assert np.isnan(said["outputs"]["all"])


def test_strings_are_bytes(server: Server) -> None:
    """Text as it is, anything else in base64, both ways."""
    body = {"instances": ["red", {"b64": "Z3JlZW4="}, ""]}
    wanted = [{"french": "rouge", "length": 3}, {"french": "vert", "length": 5}, {"french": "?", "length": 0}]
    assert ask(server, WORDS, body) == (200, {"predictions": wanted})
    assert ask(server, WORDS, {"instances": [{"word": {"b64": "/w=="}}]})[1]["predictions"] == [
        {"french": "?", "length": 1}
    ]
    status, said = ask(server, WORDS, {"instances": [{"b64": "?"}]})
    assert (status, "is not base64" in said["error"]) == (400, True)


def test_metadata_show_all_signatures(server: Server) -> None:
    """As upstream's clients read them."""
    status, said, _ = server.get(f"/v1/models/cancer/versions/{SEVERAL}/metadata")
    assert status == 200
    found = said["metadata"]["signature_def"]["signature_def"]
    assert sorted(found) == ["serving_default", "total"]
    assert found["total"]["inputs"]["x"]["dtype"] == "DT_DOUBLE"
    assert [dim["size"] for dim in found["total"]["inputs"]["x"]["tensor_shape"]["dim"]] == ["-1", "-1"]
    assert found["serving_default"]["method_name"] == "tensorflow/serving/predict"
    assert server.get("/openapi.json")[0] == 200


def test_upstreams_stubs_reach_every_signature(server: Server, versions: tuple[Path, Numbered]) -> None:
    """Predict by name, strings and all, with the types that the model declares."""
    with connected(server) as client:
        given = {"a": np.array([[1, 1]], np.float32), "b": np.array([4], np.int32)}
        answer = client.predict(given, SEVERAL)
        assert answer["sum"].tolist() == [[8.0, 10.0]]
        assert answer["even"].tolist() == [True]
        asked = request({"x": np.array([[1.5, 2.5]])}, SEVERAL)
        asked.model_spec.signature_name = "total"
        said = client.prediction.Predict(asked, timeout=10)
        assert said.model_spec.signature_name == "total"
        assert tf.make_ndarray(said.outputs["all"]).tolist() == 4.0
        words = client.predict({"word": np.array([b"red", b"\xff"], object)}, WORDS)
        assert words["french"].tolist() == [b"rouge", b"?"]
        asked.model_spec.signature_name = "none"
        code, text = refused(client.prediction.Predict, asked)
        assert (code, text) == (grpc.StatusCode.FAILED_PRECONDITION, 'Serving signature key "none" not found.')
        code, text = refused(client.prediction.Predict, request({"a": np.ones((1, 2)), "b": given["b"]}, SEVERAL))
        assert (code, "expecting datatype FP32" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def test_the_open_inference_protocol_uses_the_default_signature(server: Server) -> None:
    """Named tensors, each of its declared datatype."""
    path = f"/v2/models/cancer/versions/{SEVERAL}"
    status, said, _ = server.get(path)
    assert status == 200
    assert said["inputs"] == [
        {"name": "a", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "b", "datatype": "INT32", "shape": [-1]},
    ]
    inputs = [
        {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [1, 1]},
        {"name": "b", "datatype": "INT32", "shape": [1], "data": [4]},
    ]
    status, said, _ = server.post(f"{path}/infer", {"inputs": inputs})
    assert status == 200, said
    assert {one["name"]: one["data"] for one in said["outputs"]} == {"even": [True], "sum": [8.0, 10.0]}
    inputs[1]["datatype"] = "INT64"
    status, said, _ = server.post(f"{path}/infer", {"inputs": inputs})
    assert (status, said["error"]) == (400, 'input b: expecting datatype INT32, got "INT64"')
    word = [{"name": "word", "datatype": "BYTES", "shape": [1], "data": ["green"]}]
    status, said, _ = server.post(f"/v2/models/cancer/versions/{WORDS}/infer", {"inputs": word})
    assert said["outputs"][0]["data"] == ["vert"], said


def test_what_tensorflow_refuses_is_the_clients_error(server: Server) -> None:
    """Rows that do not fit each other: only the graph knows."""
    status, said = ask(server, SEVERAL, {"inputs": {"a": [[1, 1]] * 3, "b": [1, 2]}})
    assert status == 400, said
    assert said["error"].startswith("The model does not take these inputs: ")
    assert "[[" not in said["error"]


def test_a_saved_model_without_a_manifest_says_so(tmp_path: Path) -> None:
    """That is what the operator imports it for."""
    foreign.words(tmp_path / "1")
    with pytest.raises(LoadError) as caught:
        read_parts(tmp_path / "1", None)
    assert caught.value.reason == "NotImported"


def test_answers_that_are_not_those_of_the_import_are_not_served(
    versions: tuple[Path, Numbered], tmp_path: Path
) -> None:
    """By the examples."""
    place = tmp_path / "1"
    shutil.copytree(versions[0] / "claims" / versions[1][SEVERAL]["uri"].removeprefix("pvc://"), place)
    file = place / manifest.EXAMPLES
    document = json.loads(file.read_text())
    wrong = np.zeros(document["calls"][0]["outputs"]["sum"]["shape"], np.float32)
    document["calls"][0]["outputs"]["sum"]["data"] = base64.b64encode(wrong.tobytes()).decode()
    file.write_text(json.dumps(document))
    entry = json.loads((place / manifest.MANIFEST).read_text())
    manifest.write_manifest(place, manifest.build_manifest(place, made_from={}, engines=entry["engines"]))
    with pytest.raises(LoadError) as caught:
        models.load(place, None)
    assert caught.value.reason == "ExamplesDisagree"
    assert "signature serving_default: sum is off by" in str(caught.value)


def test_a_model_that_never_answers_its_examples_is_ended(
    versions: tuple[Path, Numbered], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the process that tries it, within the time that it has; the server says why and goes on."""
    place = tmp_path / "1"
    shutil.copytree(versions[0] / "claims" / versions[1][KERAS]["uri"].removeprefix("pvc://"), place)
    for path in ("saved_model.pb", "fingerprint.pb"):
        (place / path).unlink()
    shutil.rmtree(place / "variables")
    foreign.spinner(place)
    signature = {"name": "x", "dtype": "FLOAT", "shape": [-1, 2], "optional": False}
    output = {**signature, "name": "y"}
    given = {"shape": [1, 2], "data": "AAAAAAAAAAA="}
    documents = {
        manifest.SIGNATURE: {
            "formatVersion": 1, "task": "Tensors", "inputs": [signature], "outputs": [output], "classes": [],
        },
        manifest.EXAMPLES: {
            "formatVersion": 1, "tolerance": 1e-4,
            "calls": [{"signature": "serving_default", "inputs": {"x": given}, "outputs": {"y": given}}],
        },
    }  # fmt: skip
    for path, document in documents.items():
        (place / path).write_text(json.dumps(document))
    engines = [{"name": "TensorFlow", "file": "saved_model.pb"}]
    manifest.write_manifest(place, manifest.build_manifest(place, made_from={}, engines=engines))
    monkeypatch.setattr(freezer, "WALL_SECONDS", 12)
    with pytest.raises(LoadError, match="took more than") as caught:
        models.load(place, None)
    assert caught.value.reason == "CrashedWhileLoading"


def test_tritons_client_gets_every_type(server: Server) -> None:
    """Raw, as it asks over gRPC."""
    with triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        inputs = []
        for name, datatype, given in (
            ("a", "FP32", np.array([[1, 1]], np.float32)),
            ("b", "INT32", np.array([4], np.int32)),
        ):
            one = triton.InferInput(name, given.shape, datatype)
            one.set_data_from_numpy(given)
            inputs.append(one)
        answer = client.infer("cancer", inputs, model_version=str(SEVERAL))
        assert answer.as_numpy("even").tolist() == [True]
        assert answer.as_numpy("sum").tolist() == [[8.0, 10.0]]
