"""publish.json: a task of version 1 is read, what is written is read again, and every wrong field is named."""

from __future__ import annotations

from typing import Any

import pytest

from ropewalk_contract.documents.fields import Refused
from ropewalk_contract.documents.publish import Candidate, PublishTask
from tests.contract.samples_of import sample

CANDIDATE = Candidate("/ropewalk/claims/m/runs/4/candidate-1", "/ropewalk/claims/m/models", "pvc://m/models", "20ms")


@pytest.mark.parametrize("task", [PublishTask(CANDIDATE), PublishTask(skip="NotBlessed", message="accuracy is 0.4")])
def test_a_task_is_read_as_it_was_written(task: PublishTask) -> None:
    assert PublishTask.read(task.document()) == task


def test_a_task_of_version_1_is_read() -> None:
    candidate = PublishTask.read(sample("publish")).candidate
    assert candidate is not None
    assert (candidate.uri, candidate.max_latency_p95) == ("pvc://models/ropewalk/demo/cancer/models", "20ms")


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "publish.json"),
        ({}, "candidate"),
        ({"skip": ""}, "skip"),
        ({**PublishTask(CANDIDATE).document(), "models": None}, "models"),
        ({**PublishTask(CANDIDATE).document(), "smokeTest": [1]}, "smokeTest"),
    ],
)
def test_a_wrong_field_is_named(document: Any, field: str) -> None:
    with pytest.raises(Refused) as refused:
        PublishTask.read(document)
    assert refused.value.field == field
