"""TensorFlow Serving's REST over a real model: both forms, metadata, errors that name field, value and remedy."""

from __future__ import annotations

import contextlib
import http.client
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from ropewalk_model.signature import Signature, TensorSpec
from ropewalk_server.protocols.tfserving import rest_answers
from tests.server.conftest import Server, row
from tests.server.zoo import IMAGE, TENSOR

PREDICT = "/v1/models/cancer:predict"


def test_row_and_column_form_agree(serving: Server) -> None:
    """The same rows, the same answers, and an id for feedback."""
    status, rows, headers = serving.predict(row(), row(mean_radius=9.0))
    assert status == 200
    assert headers["ropewalk-prediction-id"]
    columns = {name: [row()[name], row(mean_radius=9.0)[name]] for name in row()}
    status, by_column, _ = serving.post(PREDICT, {"inputs": columns})
    assert status == 200
    assert [one["label"] for one in rows["predictions"]] == by_column["outputs"]["label"]
    assert rows["predictions"][0]["label"] == "malignant"
    assert rows["predictions"][0]["probabilities"] == by_column["outputs"]["probabilities"][0]


def test_the_saved_model_itself_answers_alike(serving: Server, published: tuple[Path, list[dict[str, Any]]]) -> None:
    """The engine's answer over HTTP is what TensorFlow gives for the raw row."""
    directory = published[0] / "claims" / published[1][0]["uri"].removeprefix("pvc://")
    serve = tf.saved_model.load(str(directory)).signatures["serving_default"]
    raw = {name: tf.constant([value], tf.float32) for name, value in row().items()}
    expected = serve(**raw)
    answer = serving.predict(row())[1]["predictions"][0]
    assert answer["label"] == expected["label"].numpy()[0].decode()
    assert np.allclose(answer["probabilities"], expected["probabilities"].numpy()[0], atol=1e-5)


def test_status_and_metadata(serving: Server) -> None:
    """As upstream's documents show them."""
    listed = serving.get("/v1/models/cancer")[1]["model_version_status"]
    assert [(one["version"], one["state"]) for one in listed] == [("1", "AVAILABLE")]
    assert serving.get("/v1/models/cancer/versions/1")[0] == 200
    metadata = serving.get("/v1/models/cancer/metadata")[1]
    definition = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert definition["inputs"]["mean_radius"]["dtype"] == "DT_FLOAT"
    assert set(definition["outputs"]) == {"label", "score", "probabilities"}


DEEP = b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, ["JSON Parse error"]),
        (b'{"instances": [', 400, ["JSON Parse error"]),
        (DEEP, 400, ["nested too deep"]),
        (b"[1, 2]", 400, ["object"]),
        ({"rows": []}, 400, ["instances"]),
        ({"instances": []}, 400, ["instances"]),
        ({"instances": [{"mean_radius": 1.0}]}, 400, ["mean_texture", "missing"]),
        ({"instances": [row(mean_radius="wide")]}, 400, ["mean_radius", "wide"]),
        ({"instances": [row(mean_radius=[1, 2])]}, 400, ["mean_radius"]),
        ({"instances": [row(mean_radius=None)]}, 400, ["mean_radius"]),
        ({"instances": [row(diameter=1.0)]}, 400, ["diameter"]),
        ({"instances": [row()], "signature_name": "other"}, 400, ["other", "serving_default"]),
        ({"instances": [row()], "inputs": {}}, 400, ["only one"]),
        (json.dumps({"instances": [row()]}).replace("17.99", "NaN").encode(), 400, ["mean_radius"]),
        (b"x" * (5 * 1024 * 1024), 413, ["4194304"]),
    ],
)
def test_bad_requests_name_what_is_wrong(serving: Server, body: Any, status: int, words: list[str]) -> None:
    """And the server goes on."""
    got, answer, _ = serving.post(PREDICT, body)
    assert got == status, answer
    for word in words:
        assert word in answer["error"]
    assert serving.predict(row())[0] == 200


def test_unknown_models_versions_paths_and_methods(serving: Server) -> None:
    """404 and 405, and no word about what else is here."""
    assert serving.post("/v1/models/other:predict", {"instances": [row()]})[0] == 404
    assert serving.post("/v1/models/cancer/versions/9:predict", {"instances": [row()]})[0] == 404
    assert serving.get("/v3/models/cancer")[0] == 404
    assert serving.get(PREDICT)[0] == 405
    assert serving.post("/status", {})[0] == 404, "the monitoring port's paths are not here"


@pytest.mark.parametrize(
    ("port", "method", "target", "status", "words"),
    [
        (0, "GET", "http://elsewhere/v1/models/cancer", 200, "AVAILABLE"),
        (1, "GET", "http://elsewhere:80/status", 200, '"live":1'),
        (0, "OPTIONS", "*", 404, '"error":"Malformed request: OPTIONS *"'),
        (1, "OPTIONS", "*", 404, '"error":"there is /healthz'),
        (0, "CONNECT", "elsewhere:80", 400, '"error":"Protocol upgrades are not supported"'),
        (1, "CONNECT", "elsewhere:80", 400, '"error":"Protocol upgrades are not supported"'),
    ],
)
def test_targets_of_every_form(serving: Server, port: int, method: str, target: str, status: int, words: str) -> None:
    """With a host in front of its path one is as good as without; the others mean nothing here."""
    connection = http.client.HTTPConnection("127.0.0.1", serving.ports[port], timeout=10)
    connection.putrequest(method, target)
    connection.endheaders()
    with contextlib.closing(connection), connection.getresponse() as answer:
        assert (answer.status, words in answer.read().decode()) == (status, True)


def test_labels_name_versions(serving: Server) -> None:
    """`stable` is what is live; a label that means nothing gets upstream's words."""
    status, answer, _ = serving.post("/v1/models/cancer/labels/stable:predict", {"instances": [row()]})
    assert (status, answer["predictions"][0]["label"]) == (200, "malignant")
    assert serving.get("/v1/models/cancer/labels/stable")[1]["model_version_status"][0]["version"] == "1"
    status, answer, _ = serving.post("/v1/models/cancer/labels/canary:predict", {"instances": [row()]})
    assert (status, answer["error"]) == (400, "Unrecognized servable version label: canary")


@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_methods_that_no_signature_has_get_upstreams_error(serving: Server, verb: str) -> None:
    """With the method that the signature has."""
    status, answer, _ = serving.post(f"/v1/models/cancer:{verb}", {"examples": [row()]})
    assert status == 400
    assert answer["error"].endswith(f"tensorflow/serving/{verb}. Was: tensorflow/serving/predict")


def test_too_many_rows(serving: Server) -> None:
    """Refused with the limit."""
    status, answer, _ = serving.post(PREDICT, {"inputs": {name: [value] * 10_001 for name, value in row().items()}})
    assert status in (400, 413)
    assert "10000" in answer["error"]


def test_feedback_is_counted_once_for_the_version_that_answered(serving: Server) -> None:
    """And a made-up id or an unknown class is refused with the reason."""
    ident = serving.predict(row())[2]["ropewalk-prediction-id"]
    path = "/v1/models/cancer:feedback"
    assert serving.post(path, {"id": ident, "label": "malignant"})[0] == 200
    assert serving.post(path, {"id": ident, "label": "malignant"})[0] == 200

    def counted() -> bool:
        buckets = serving.get("/windows", monitoring=True)[1]["buckets"]
        return sum(one["labels"]["count"] for one in buckets if "labels" in one) == 1

    serving.until(counted)
    assert serving.post(path, {"id": "x" + ident[1:], "label": "malignant"})[0] == 400
    status, answer, _ = serving.post(path, {"id": ident, "label": "purple"})
    assert (status, "purple" in answer["error"], "benign" in answer["error"]) == (400, True, True)


def test_labels_come_in_lists_too(serving: Server) -> None:
    """Each is counted or refused by itself, with its place; what is no list of labels is refused whole."""
    path = "/v1/models/cancer:feedback"
    ident = serving.predict(row(), row())[2]["ropewalk-prediction-id"]
    good = [{"id": f"{ident}.{n}", "label": "malignant"} for n in (0, 1)]
    wrong = [{"id": f"{ident}.2", "label": "malignant"}, {"id": ident, "label": "purple"}]
    status, answer, _ = serving.post(path, [good[0], wrong[0], good[1], wrong[1]])
    assert (status, answer["accepted"]) == (200, 2)
    assert [one["index"] for one in answer["refused"]] == [1, 3]
    assert "there is no row 2" in answer["refused"][0]["error"]
    assert serving.post(path, [])[:2] == (200, {"accepted": 0, "refused": []})
    status, answer, _ = serving.post(path, [good[0], {"id": 3}])
    assert (status, "[1]" in answer["error"]) == (400, True)
    status, answer, _ = serving.post(path, good * 501)
    assert (status, answer["error"]) == (400, "1002 labels at once; there may be 1000")


def test_windows_count_every_row_in_the_baselines_bins(serving: Server) -> None:
    """What was asked is what is counted, feature by feature."""
    before = sum(b["rows"] for b in serving.get("/windows", monitoring=True)[1]["buckets"])
    assert serving.predict(*[row() for _ in range(50)])[0] == 200

    def counted() -> bool:
        buckets = serving.get("/windows", monitoring=True)[1]["buckets"]
        return sum(b["rows"] for b in buckets) >= before + 50

    serving.until(counted)
    baseline = serving.get("/baseline", monitoring=True)[1]["baseline"]
    bucket = max(serving.get("/windows", monitoring=True)[1]["buckets"], key=lambda b: b["rows"])
    for feature in baseline["features"]:
        assert len(bucket["features"][feature["name"]]) == len(feature["counts"])
        assert sum(bucket["features"][feature["name"]]) == bucket["rows"]
    text = serving.get("/metrics", monitoring=True)[1]["text"]
    assert 'ropewalk_server_requests_total{model="cancer",version="1",protocol="rest_v1",code="200"}' in text


def test_tensors_are_read_as_strictly_as_scalars(zoo: Server) -> None:
    """Found by schemathesis: numpy takes true for 1, and the largest doubles became infinity on the way to float32."""
    pixels = np.zeros((4, 4, 1), dtype=np.int64).tolist()
    numbers = [0.5] * 10
    assert zoo.post(f"/v1/models/cancer/versions/{IMAGE}:predict", {"instances": [pixels]})[0] == 200
    assert zoo.post(f"/v1/models/cancer/versions/{TENSOR}:predict", {"inputs": [numbers] * 2})[0] == 200
    for wrong in (False, 1.5, 256, -1, None, "0", []):
        damaged = [pixels, [[[wrong], [0], [0], [0]], *pixels[1:]]]
        status, document, _ = zoo.post(f"/v1/models/cancer/versions/{IMAGE}:predict", {"instances": damaged})
        assert (status, "element: 1" in document["error"]) == (400, True), (wrong, document)
    for wrong in (True, 3.402823466385289e38, -1e300, None, "0", [], float("nan"), float("inf")):
        damaged = [numbers, [wrong, *numbers[1:]]]
        status, document, _ = zoo.post(f"/v1/models/cancer/versions/{TENSOR}:predict", {"inputs": damaged})
        assert (status, "row 1" in document["error"]) == (400, True), (wrong, document)


def test_outputs_that_are_not_finite_are_tokens() -> None:
    """As upstream writes them, and `null` for no value of a model; finite ones beside them keep their digits."""
    spec = TensorSpec("x", "FLOAT", (-1, 3))
    tensor = Signature.for_tensor(spec, spec)
    core = np.array([[np.nan, 0.97, np.inf], [1e-7, -np.inf, 3.0]], np.float32)
    for row_form, key in ((True, "predictions"), (False, "outputs")):
        body = rest_answers.write_predict(tensor, core, row_form)
        assert body == b'{"%s":[[NaN,0.97,Infinity],[1e-07,-Infinity,3.0]]}' % key.encode()
    classes = Signature.for_task("Classification", [spec], ("null", "b", "c"))
    text = rest_answers.write_predict(classes, core[:1], row_form=True).decode()
    assert text == '{"predictions":[{"label":"null","score":NaN,"probabilities":[NaN,0.97,Infinity]}]}'
    good = rest_answers.write_predict(classes, np.eye(3, dtype=np.float32)[:1], row_form=False)
    assert json.loads(good)["outputs"]["label"] == ["null"]


def test_versions_have_up_to_eighteen_digits(serving: Server) -> None:
    """A time stamp, as upstream's exporters number them."""
    for version in (1_700_000_000, 10**18 - 1):
        words = serving.get(f"/v1/models/cancer/versions/{version}")
        assert (words[0], str(version) in words[1]["error"]) == (404, True)
        words = serving.get(f"/v2/models/cancer/versions/{version}")
        assert (words[0], "not loaded" in words[1]["error"]) == (404, True)
