"""run.json: runs of version 1 are read, what is written is read again, and every wrong field is named."""

from __future__ import annotations

from typing import Any

import pytest

from ropewalk_contract.documents.fields import Refused
from ropewalk_contract.documents.run import Champion, RunTask
from ropewalk_trainer.run_document import parse
from tests.contract.samples_of import sample

CHAMPION = Champion(7, "pvc://models/ropewalk/demo/cancer/models/7", "sha256:a", "sha256:d")
RUN = RunTask("demo", "cancer", "5f0c-uid", 8, 3, "Drift", "worst feature x", {"source": {}}, CHAMPION, True)


@pytest.mark.parametrize("run", [RUN, RunTask("demo", "cancer", "u", 1, 1, "Manual", "", {})])
def test_a_run_is_read_as_it_was_written(run: RunTask) -> None:
    assert RunTask.read(run.document()) == run


def test_a_run_of_version_1_is_read_and_written_as_it_was() -> None:
    assert RunTask.read(sample("run")).document() == sample("run")


def test_the_trainer_reads_the_spec_of_a_run_of_version_1() -> None:
    run = parse(sample("run"))
    assert (run.namespace, run.pipeline, run.run_id) == ("demo", "cancer", sample("run")["runId"])
    assert [one.name for one in run.spec.features] == [
        one["name"] for one in sample("run")["spec"]["schema"]["features"]
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"formatVersion": 2}, "formatVersion"),
        ({"namespace": ""}, "namespace"),
        ({"pipelineUid": None}, "pipelineUid"),
        ({"runId": "8"}, "runId"),
        ({"trigger": "Drift"}, "trigger"),
        ({"spec": None}, "spec"),
        ({"champion": 7}, "champion"),
        ({"champion": {"version": 7}}, "champion.uri"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        RunTask.read({**RUN.document(), **change})
    assert refused.value.field == field
