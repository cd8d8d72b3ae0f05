"""Large requests that are not numbers alone: read in a thread, answered and refused like small ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ropewalk_server.protocols.common.must_offload import LARGE, MustOffload
from ropewalk_server.protocols.openinference.rest_messages import read_infer
from ropewalk_server.protocols.tfserving.feedback_endpoint import FeedbackEndpoint
from ropewalk_server.protocols.tfserving.rest_predict import read_predict
from ropewalk_server.serving.model import Model
from ropewalk_server.transport.http1.types import Request, Response
from tests.server.apps import feedback, load
from tests.server.conftest import Server
from tests.server.openinference import ROW, infer, tensor
from tests.server.predictors import predictor
from tests.server.zoo import MIXED, NUMBERS

ROWS = 2500


def rows(last: dict[str, Any]) -> bytes:
    """A request in row form of mixed rows."""
    return json.dumps({"instances": [*[ROW] * (ROWS - 1), {**ROW, **last}]}).encode()


def of(zoo: Server, version: int) -> Model:
    """The model in this process."""
    return load(zoo.root / "claims" / "zoo" / str(version), None)


async def test_an_event_loop_reads_large_requests_of_numbers_alone(zoo: Server) -> None:
    """All others would hold it up by what they become."""
    mixed, numbers = of(zoo, MIXED), of(zoo, NUMBERS)
    body = rows({})
    assert len(body) > LARGE
    with pytest.raises(MustOffload):
        read_predict(mixed, body, ROWS)
    with pytest.raises(MustOffload):
        read_infer(mixed, b'{"inputs":[' + b"1," * LARGE, None, ROWS)
    many = json.dumps({"instances": [{"a": 1.5, "b": 2.5}] * 10_000}).encode()
    batch, _ = read_predict(numbers, many, 10_000)
    assert (batch.rows, len(many) > LARGE) == (10_000, True)


def test_large_requests_are_answered_and_refused_as_small_ones(zoo: Server) -> None:
    """In both protocols."""
    path = f"/v1/models/cancer/versions/{MIXED}:predict"
    status, document, _ = zoo.post(path, rows({}))
    assert (status, len(document["predictions"])) == (200, ROWS)
    named = rows({})[:-1] + b', "signature_name": "predictions"}'
    status, document, _ = zoo.post(path, named)
    assert (status, '"predictions" not found' in document["error"]) == (400, True), document
    status, document, _ = zoo.post(path, rows({"n": "x"}))
    assert (status, str(ROWS - 1) in document["error"]) == (400, True), document
    inputs = [tensor(name, [value] * ROWS) for name, value in ROW.items()]
    assert infer(zoo, MIXED, inputs)[0] == 200


async def test_an_event_loop_reads_no_large_list_of_labels(zoo: Server) -> None:
    """It is answered later, and a small one at once."""
    one = predictor(of(zoo, MIXED))
    handle = FeedbackEndpoint(one, feedback(one)).handle
    label = {"id": "made up", "label": "high"}
    answer = handle(Request(b"POST", b"", json.dumps([label]).encode()))
    assert isinstance(answer, Response)
    body = json.dumps([label | {"padding": "x" * 500}] * 900).encode()
    assert len(body) > LARGE
    later = handle(Request(b"POST", b"", body))
    assert not isinstance(later, Response)
    assert (await later).status == 200


def test_a_large_list_of_labels_is_read_beside_the_loop(serving: Server) -> None:
    """Counted and refused as a small one; what is no feedback at all is counted too."""
    labels = [{"id": "made up" * 30, "label": "malignant"}] * 900
    path = "/v1/models/cancer:feedback"
    assert len(json.dumps(labels)) > LARGE
    status, said, _ = serving.post(path, labels)
    assert (status, said["accepted"], len(said["refused"])) == (200, 0, 900)
    before = metric(serving, "ropewalk_server_feedback_rejected_total")
    status, said, _ = serving.post(path, [*labels, {"id": 1}])
    assert (status, "[900] is not" in said["error"]) == (400, True), said
    assert metric(serving, "ropewalk_server_feedback_rejected_total") == before + 1


def metric(server: Server, name: str) -> float:
    """Of the process, as it says itself."""
    lines = server.get("/metrics", monitoring=True)[1]["text"].splitlines()
    return sum(float(one.split()[-1]) for one in lines if one.startswith(name))
