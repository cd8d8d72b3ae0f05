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
from tensorflow_serving.apis import classification_pb2, regression_pb2

from ropewalk_model import manifest
from ropewalk_server.protocols.common import deferred_response
from ropewalk_server.protocols.tfserving.rest import TensorFlowServing
from ropewalk_server.serving.engines import freezer
from ropewalk_server.serving.model import Curve, LoadError, Model, read_parts
from ropewalk_server.transport.http1.types import Request, Response
from tests import foreign_models
from tests.server.apps import feedback, load
from tests.server.conftest import Server, next_ports
from tests.server.grpc_clients import connected, refused, request
from tests.server.openapi_check import held_to_its_word
from tests.server.predictors import predictor
from tests.trainer.imports import imported

KERAS, SEVERAL, WORDS, EXAMPLES = 1, 2, 3, 4
MODELS = {
    KERAS: foreign_models.keras,
    SEVERAL: foreign_models.several,
    WORDS: foreign_models.words,
    EXAMPLES: foreign_models.examples,
}
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
    status, said = ask(server, SEVERAL, {"signature_name": "total", "inputs": [[0.015625] * 64] * 600})
    assert (status, said.get("outputs", said)) == (200, {"all": 600.0, "total": [1.0] * 600}), "too large for the loop"


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
    assert said["error"] == "The model does not take these inputs: Incompatible shapes: [3,2] vs. [2,1]"


def test_a_saved_model_without_a_manifest_says_so(tmp_path: Path) -> None:
    """That is what the operator imports it for."""
    foreign_models.words(tmp_path / "1")
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
        load(place, None)
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
    foreign_models.spinner(place)
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
        load(place, None)
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


FEATURES = [{"x": [0.0, 1.0]}, {"x": [3.0, 0.5]}]


def expected(versions: tuple[Path, Numbered], name: str) -> Any:
    """What TensorFlow answers for FEATURES."""
    serialized = [
        tf.train.Example(
            features=tf.train.Features(feature={"x": tf.train.Feature(float_list=tf.train.FloatList(value=one["x"]))})
        ).SerializeToString()
        for one in FEATURES
    ]
    return original(versions, EXAMPLES).signatures[name](inputs=tf.constant(serialized))


def test_classify_and_regress_take_examples(server: Server, versions: tuple[Path, Numbered]) -> None:
    """In upstream's form, for the signatures that have those methods."""
    scores = expected(versions, "serving_default")["scores"].numpy()
    status, said = ask(server, EXAMPLES, {"examples": FEATURES}, "classify")
    assert status == 200, said
    assert [[label for label, _ in one] for one in said["results"]] == [["no", "yes"]] * 2
    assert np.allclose([[score for _, score in one] for one in said["results"]], scores)
    status, said = ask(server, EXAMPLES, {"examples": FEATURES, "signature_name": "value"}, "regress")
    assert (status, said) == (200, {"results": [1.0, 3.5]})
    status, said = ask(
        server, EXAMPLES, {"context": FEATURES[1], "examples": [{}], "signature_name": "value"}, "regress"
    )
    assert (status, said) == (200, {"results": [3.5]})


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("classify", {"examples": []}, "at least one element"),
        ("classify", {}, "'examples' key is required"),
        ("classify", {"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ("classify", {"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type: Null"),
        ("classify", {"examples": [{"x": [1.5, 2]}]}, "Unexpected element type in feature: x expecting type: float"),
        ("classify", {"examples": [{"x": 2**63}]}, "Only int64 is supported"),
        ("classify", {"examples": [{"x": ["a", "b"]}]}, "The model does not take these inputs"),
        ("classify", {"examples": FEATURES, "signature_name": "nobody"}, 'name: "nobody" not found in signature def'),
        (
            "classify",
            {"examples": FEATURES, "signature_name": "value"},
            "Expected classification signature method_name to be tensorflow/serving/classify. Was: "
            "tensorflow/serving/regress",
        ),
        (
            "regress",
            {"examples": FEATURES},
            "Expected a regression signature method_name to be tensorflow/serving/regress. Was: "
            "tensorflow/serving/classify",
        ),
    ],
)
def test_examples_that_are_none_are_refused(server: Server, verb: str, body: Any, words: str) -> None:
    """In upstream's words where it has some."""
    status, said = ask(server, EXAMPLES, body, verb)
    assert (status, words in said["error"]) == (400, True), said


def cheap(versions: tuple[Path, Numbered], number: int) -> Model:
    """A version in this process that is computed on the event loop, however busy this machine is."""
    found = load(versions[0] / "claims" / versions[1][number]["uri"].removeprefix("pvc://"), None)
    for one in (found, *found.named.values()):
        one.curve = Curve(1.0, 0.0)
    return found


async def test_an_event_loop_reads_no_large_list_of_examples(versions: tuple[Path, Numbered]) -> None:
    """It is answered later, and refused, as a small one at once."""
    one = predictor(cheap(versions, EXAMPLES))
    handle = TensorFlowServing(one, feedback(one)).handle
    for many in (1, 9000):
        body = {"examples": [{"x": [1.5, 2.5]}] * many, "signature_name": "value"}
        for verb, status in (("regress", 200), ("classify", 400)):
            answer = handle(Request(b"POST", b"/v1/models/cancer:" + verb.encode(), json.dumps(body).encode()))
            assert isinstance(answer, Response) == (many == 1)
            said = await answer if not isinstance(answer, Response) else answer
            assert said.status == status, said.body


async def test_an_event_loop_writes_no_outputs_of_many_values(
    versions: tuple[Path, Numbered], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are the same as those that it writes."""
    one = predictor(cheap(versions, SEVERAL))
    handle = TensorFlowServing(one, feedback(one)).handle
    count = 64
    rows = [{"a": [n, n], "b": n} for n in range(count + 1)]
    for most in (3 * len(rows), 3 * len(rows) - 1):
        monkeypatch.setattr(deferred_response, "MANY", most)
        answers = []
        for few in (count, count + 1):
            body = json.dumps({"instances": rows[:few]}).encode()
            said = handle(Request(b"POST", b"/v1/models/cancer:predict", body))
            assert isinstance(said, Response) == (3 * few <= most)
            answers.append(json.loads((said if isinstance(said, Response) else await said).body)["predictions"])
        assert (len(answers[1]), answers[1][:count]) == (count + 1, answers[0])


def test_upstreams_stubs_classify_and_regress(server: Server, versions: tuple[Path, Numbered]) -> None:
    """With a list of Examples, and with one that has a context."""
    scores = expected(versions, "serving_default")["scores"].numpy()
    with connected(server) as client:
        asked = classification_pb2.ClassificationRequest()
        asked.model_spec.name = "cancer"
        asked.model_spec.version.value = EXAMPLES
        for one in FEATURES:
            example = asked.input.example_list.examples.add()
            example.features.feature["x"].float_list.value.extend(one["x"])
        answer = client.prediction.Classify(asked, timeout=10)
        assert answer.model_spec.signature_name == "serving_default"
        assert [[one.label for one in row.classes] for row in answer.result.classifications] == [["no", "yes"]] * 2
        assert np.allclose([[one.score for one in row.classes] for row in answer.result.classifications], scores)
        regress = regression_pb2.RegressionRequest()
        regress.model_spec.CopyFrom(asked.model_spec)
        regress.model_spec.signature_name = "value"
        listed = regress.input.example_list_with_context
        listed.context.features.feature["x"].float_list.value.extend([3.0, 0.5])
        listed.examples.add()
        said = client.prediction.Regress(regress, timeout=10)
        assert [one.value for one in said.result.regressions] == [3.5]
        asked.input.Clear()
        assert refused(client.prediction.Classify, asked) == (grpc.StatusCode.INVALID_ARGUMENT, "Input is empty.")
        asked.model_spec.signature_name = "none"
        code, words = refused(client.prediction.Classify, asked)
        assert words == "No signature was found with the name: none"
        asked.model_spec.signature_name = "plain"
        code, words = refused(client.prediction.Classify, asked)
        assert (code, "Was: tensorflow/serving/predict" in words) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def test_predict_takes_a_signature_of_any_method(server: Server, versions: tuple[Path, Numbered]) -> None:
    """As upstream does: Examples are serialized by the client then."""
    wanted = expected(versions, "value")["outputs"].numpy()
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.extend([3.0, 0.5])
    value = base64.b64encode(example.SerializeToString()).decode()
    body = {"signature_name": "value", "instances": [{"b64": value}]}
    assert ask(server, EXAMPLES, body) == (200, {"predictions": [wanted[1].tolist()]})
    assert ask(server, EXAMPLES, {"signature_name": "plain", "instances": [[1, 2]]}) == (
        200,
        {"predictions": [[1.0, 4.0]]},
    )


def test_the_server_does_as_it_says_of_examples(server: Server, tmp_path: Path) -> None:
    """The description has the methods of the signatures that there are, and the server is held to it."""
    paths = server.get("/openapi.json")[1]["paths"]
    found = {path.removeprefix("/v1/models/cancer/") for path in paths if path.endswith((":classify", ":regress"))}
    assert found == {f"{one}:{verb}" for one in ("versions/4", "labels/canary") for verb in ("classify", "regress")}
    schema = paths["/v1/models/cancer/versions/4:regress"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert (schema["properties"]["signature_name"], "signature_name" in schema["required"]) == (
        {"enum": ["value"]},
        True,
    )
    held_to_its_word(server, tmp_path, "--max-examples", "15", "--include-path-regex", "/versions/[234]")
