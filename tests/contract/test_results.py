"""Results in termination messages: samples of version 1, both ways, and what a pod that lies can make of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ropewalk.core.jobs.container_end import document
from ropewalk_contract.documents import termination_message
from ropewalk_contract.documents.results import SmokeResult, TrainResult
from tests.contract.samples_of import text

SUCCEEDED = TrainResult(
    outcome="Succeeded",
    stages=(("Source", "Succeeded", 1000000001.25, 1000000002.5), ("Train", "Pending", None, None)),
    metrics=(("accuracy", "0.9734"),),
    blessing="Blessed",
    data_fingerprint="sha256:" + "d" * 64,
    rows=(("train", 455), ("test", 57)),
    anomalies=({"feature": "mean_radius", "reason": "OutOfRange", "count": 3, "share": "0.0053", "example": "-1"},),
    record=("pvc://models/ropewalk/demo/cancer/runs/4/record.json", "sha256:" + "c" * 64),
)
FAILED = TrainResult("Failed", "Source", "InvalidSpec", "spec.train.seed is 'x'", log=("12:00:00 ERROR a line",))


@pytest.mark.parametrize("result", [SUCCEEDED, FAILED, TrainResult("Succeeded")])
def test_a_result_of_training_is_read_as_it_was_written(result: TrainResult) -> None:
    assert TrainResult.read(document(termination_message.encoded(result.document()).decode())) == result


def test_a_result_of_a_smoke_test_is_read_as_it_was_written() -> None:
    result = SmokeResult("Succeeded", version=7, uri="pvc://m/7", digest="a", manifest_digest="b", engines=("LiteRT",))
    for one in (result, SmokeResult("Skipped", "DriftUncured", "the data has not changed"), SmokeResult("Failed")):
        assert SmokeResult.read(document(termination_message.encoded(one.document()).decode())) == one


def test_results_of_version_1_are_read() -> None:
    train = TrainResult.read(document(text("result-train-succeeded")))
    assert train is not None
    assert (train.blessing, train.metrics[0], train.rows[0]) == ("Blessed", ("accuracy", "0.9734"), ("train", 455))
    assert [row[:2] for row in train.stages][2:4] == [("Preprocess", "Cached"), ("Train", "Succeeded")]
    assert train.record[0].endswith("/runs/4/record.json")
    failed = TrainResult.read(document(text("result-train-failed")))
    assert failed is not None
    assert (failed.stage, failed.reason, len(failed.log)) == ("Source", "InvalidSpec", 2)
    smoke = SmokeResult.read(document(text("result-smoke-test")))
    assert smoke is not None
    assert (smoke.version, smoke.engines) == (7, ("LiteRT", "OpenVINO"))


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", '{"v": 2, "outcome": "Succeeded"}', '{"v": 1, "x": NaN}', "[" * 999]
)
def test_what_is_no_termination_message_is_none(text: str) -> None:
    assert document(text) is None


def test_a_message_beyond_its_bytes_is_none() -> None:
    assert document('{"v":1,"m":"' + "é" * 1024 + '"}') is None


@pytest.mark.parametrize("outcome", [None, "", "Running", 1, ["Succeeded"]])
def test_without_an_outcome_there_is_no_result(outcome: Any) -> None:
    for read in (TrainResult.read, SmokeResult.read):
        assert read({"outcome": outcome}) is None
        assert read(outcome) is None


def test_a_wrong_field_loses_itself_alone() -> None:
    broken = {**SUCCEEDED.document(), "reason": "two words", "rows": [1], "stages": [["Source"], 3], "metrics": None}
    assert TrainResult.read(broken) == replace(SUCCEEDED, rows=(), stages=(), metrics=())


def test_every_field_is_bounded() -> None:
    huge = {
        "outcome": "Failed",
        "message": "x" * 9999,
        "log": ["x" * 9999] * 99,
        "anomalies": [{"feature": "f", "example": "x" * 99}] * 9,
        "metrics": {f"metric {index}": "1" * 99 for index in range(99)},
        "rows": {"train": -1, "test": True},
    }
    found = TrainResult.read(huge)
    assert found is not None
    assert (len(found.message), len(found.log), len(found.log[0])) == (600, 10, 300)
    assert (len(found.anomalies), len(found.metrics), found.rows) == (5, 20, (("train", 0), ("test", 0)))
