"""Receipts, and the labels that come with them: late, often when another version has taken over from the one that
answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ropewalk_server.telemetry.receipts import MAX_ROWS, TOGETHER, Receipts
from tests.server.conftest import Answer, Server, row
from tests.server.grpc_clients import connected, request
from tests.server.zoo import NUMBERS, TENSOR

Published = tuple[Path, list[dict[str, Any]]]
FEEDBACK = "/v1/models/cancer:feedback"
MANY = MAX_ROWS + 2 * TOGETHER + 1
"""Rows for which no id stands in a header, the last of them alone under its id."""
COLUMNS = {"inputs": {name: [value] * MANY for name, value in row().items()}}


def wanting_receipts(server: Server, path: str, body: Any) -> Answer:
    """POST, asking for a receipt a row."""
    return server.request("POST", path, json.dumps(body).encode(), **{"ropewalk-receipts": "body"})


def labelled(server: Server) -> float:
    """Labels counted so far, by the metrics."""
    lines = server.get("/metrics", monitoring=True)[1]["text"].splitlines()
    return sum(float(one.split()[-1]) for one in lines if one.startswith("ropewalk_server_labelled_rows_total{"))


def test_without_a_key_there_are_no_receipts(server: Server, published: Published) -> None:
    """In no head and in no body, also where they are asked for; a label is refused with the remedy."""
    server.environment = {"ROPEWALK_FEEDBACK_KEY": ""}
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: server.status().get("live") == 1)
    status, answer, headers = wanting_receipts(server, "/v1/models/cancer:predict", {"instances": [row()]})
    assert (status, list(answer), "ropewalk-prediction-id" in headers) == (200, ["predictions"], False)
    inputs = [{"name": n, "datatype": "FP32", "shape": [1], "data": [v]} for n, v in row().items()]
    status, answer, headers = wanting_receipts(server, "/v2/models/cancer/infer", {"inputs": inputs})
    assert (status, "parameters" in answer, "ropewalk-prediction-id" in headers) == (200, False, False)
    assert "receipts" not in [one["name"] for one in answer["outputs"]]
    made_up = Receipts(b"any key of 16 bytes or more").issue(1, bytes(32), np.eye(2, dtype=np.float32)[:1], 2)
    assert isinstance(made_up, bytes)
    status, answer, _ = server.post(FEEDBACK, {"id": made_up.decode(), "label": "malignant"})
    assert (status, "spec.monitor.feedback" in answer["error"]) == (400, True)


def test_every_row_has_a_receipt_of_its_own_where_they_are_asked_for(serving: Server) -> None:
    """However many rows there are; each label counts once."""
    status, answer, headers = wanting_receipts(serving, "/v1/models/cancer:predict", COLUMNS)
    assert (status, "ropewalk-prediction-id" in headers) == (200, False)
    assert len(set(answer["receipts"])) == len(answer["outputs"]["label"]) == MANY
    before = labelled(serving)
    labels = [{"id": one, "label": "malignant"} for one in answer["receipts"]]
    assert serving.post(FEEDBACK, labels + labels[:5])[1] == {"accepted": MANY + 5, "refused": []}
    assert labelled(serving) - before == MANY
    metrics = serving.get("/metrics", monitoring=True)[1]["text"]
    assert f'label_lag_seconds_bucket{{model="cancer",version="1",le="60"}} {labelled(serving):g}' in metrics
    status, answer, headers = serving.post("/v1/models/cancer:predict", COLUMNS)
    assert (status, list(answer), "ropewalk-prediction-id" in headers) == (200, ["outputs"], False)


def test_a_label_counts_once_for_each_pod() -> None:
    """As the README, `kubectl explain` and /openapi.json say: what one pod has counted no other knows."""
    key = b"any key of 16 bytes or more"
    one, other = Receipts(key), Receipts(key)
    issued = one.issue(1, bytes(32), np.eye(2, dtype=np.float32)[:1], 2)
    assert isinstance(issued, bytes)
    text = issued.decode()
    assert [pod.first_label(text) for pod in (one, one, other)] == [True, False, True]


@pytest.mark.parametrize("binary", [False, True])
def test_receipts_are_an_output_of_the_open_inference_protocol(serving: Server, binary: bool) -> None:
    """Of strings, after those of the model, in the form that the others have."""
    inputs = [{"name": n, "datatype": "FP32", "shape": [2], "data": [v, v]} for n, v in row().items()]
    body = {"inputs": inputs, "outputs": [{"name": "score"}], "parameters": {"binary_data_output": binary}}
    status, answer, headers = wanting_receipts(serving, "/v2/models/cancer/infer", body)
    assert (status, "ropewalk-prediction-id" in headers) == (200, False)
    if binary:
        raw = answer["text"].encode()
        assert b'"name":"receipts","datatype":"BYTES","shape":[2],"parameters"' in raw
        return
    assert [one["name"] for one in answer["outputs"]] == ["score", "receipts"]
    receipts = answer["outputs"][1]["data"]
    labels = [{"id": one, "label": "malignant"} for one in receipts]
    assert serving.post(FEEDBACK, labels)[1]["accepted"] == len(set(receipts)) == 2


@pytest.mark.parametrize("version", [NUMBERS, TENSOR])
def test_values_have_no_receipts_since_no_label_of_theirs_is_counted(zoo: Server, version: int) -> None:
    """Neither in a head nor in a body, in any protocol, also where they are asked for; the answer is the same."""
    rows = {"a": [1.0, 2.0], "b": [3.0, 4.0]} if version == NUMBERS else {"x": [[0.5] * 10] * 2}
    told = {"ropewalk-receipts": "body"}
    path = f"/models/cancer/versions/{version}"
    tensors = [{"name": n, "datatype": "FP32", "shape": list(np.shape(v)), "data": v} for n, v in rows.items()]
    for form, body in ((f"/v1{path}:predict", {"inputs": rows}), (f"/v2{path}/infer", {"inputs": tensors})):
        plain, asked = zoo.post(form, body), zoo.request("POST", form, json.dumps(body).encode(), **told)
        assert (plain[0], asked[1]) == (200, plain[1])
        assert "receipts" not in asked[1]
        assert "parameters" not in asked[1]
        assert not any("ropewalk-prediction-id" in one[2] for one in (plain, asked))
    with connected(zoo) as client:
        given = {name: np.array(value, np.float32) for name, value in rows.items()}
        answer, call = client.prediction.Predict.with_call(
            request(given, version), timeout=10, metadata=tuple(told.items())
        )
        assert "receipts" not in answer.outputs
        assert "ropewalk-prediction-id" not in dict(call.initial_metadata())


@pytest.mark.parametrize(("rows", "classes"), [(1, 3), (TOGETHER, 3), (33, 1000), (250, 2)])
def test_receipts_say_what_was_predicted(rows: int, classes: int) -> None:
    """Classes of one byte and of two."""
    receipts, digest = Receipts(b"any key of 16 bytes or more"), bytes(range(32))
    core = np.random.default_rng(5).normal(size=(rows, classes)).astype(np.float32)
    issued = receipts.issue(7, digest, core, classes, each=True)
    assert isinstance(issued, list)
    found = [receipts.read(one, {7: digest}) for one in issued]
    assert len(found) == rows
    assert [one.predicted for one in found] == core.argmax(axis=1).tolist()


def test_a_label_for_a_version_that_was_let_go_is_counted_for_that_version(
    server: Server, published: Published
) -> None:
    """By the pod that held it, once; it is found in the windows and the metrics under its own number."""
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: server.status().get("live") == 1)
    ident = server.predict(row())[2]["ropewalk-prediction-id"]
    server.tell(2, published[1])
    server.until(lambda: server.status().get("live") == 2)
    server.tell(2, published[1][1:])
    server.until(lambda: [one["version"] for one in server.status()["versions"]] == [2])
    for _ in range(2):
        status, answer, _ = server.post(FEEDBACK, {"id": ident, "label": "malignant"})
        assert (status, answer) == (200, {})

    def counted() -> bool:
        buckets = server.get("/windows", monitoring=True)[1]["buckets"]
        labelled = [one for one in buckets if "labels" in one]
        return [(one["version"], one["labels"]["count"]) for one in labelled] == [(1, 1)]

    server.until(counted)
    metrics = server.get("/metrics", monitoring=True)[1]["text"]
    assert 'ropewalk_server_labelled_rows_total{model="cancer",version="1",correct="true"} 1' in metrics
    assert json.dumps(server.status()["versions"]).count('"version"') == 1
