"""errand.json: tasks of version 1 are read, what is written is read again, and every wrong field is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ropewalk_contract.documents.fields import Refused
from ropewalk_contract.documents.helper_job import IMPORT, RECOVER, SWEEP, HelperJobTask, Retention, Source
from tests.contract.samples_of import sample

RULES = Retention(
    20, 10, frozenset({1, 2}), frozenset({3}), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), timedelta(hours=23)
)
STORE = HelperJobTask(SWEEP, "demo", "cancer", "5f0c-uid", "pvc://models/ropewalk", True, RULES)


@pytest.mark.parametrize(
    "task",
    [
        STORE,
        HelperJobTask(RECOVER, "demo", "cancer", "5f0c-uid", "pvc://models/ropewalk"),
        HelperJobTask(IMPORT, source=Source("pvc://models/imported/3", "sha256:" + "a" * 64, 3)),
    ],
)
def test_a_task_is_read_as_it_was_written(task: HelperJobTask) -> None:
    assert HelperJobTask.read(task.document()) == task


@pytest.mark.parametrize("name", ["helper_job-recover", "helper_job-import"])
def test_a_task_of_version_1_is_read_and_written_as_it_was(name: str) -> None:
    assert HelperJobTask.read(sample(name)).document() == sample(name)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"formatVersion": 2}, "formatVersion"),
        ({"formatVersion": True}, "formatVersion"),
        ({"type": ""}, "type"),
        ({"namespace": "a/b"}, "namespace"),
        ({"pipeline": ".."}, "pipeline"),
        ({"pipelineUid": None}, "pipelineUid"),
        ({"artifacts": 3}, "artifacts"),
        ({"keep": None}, "keep"),
        ({"keep": {"runs": 0, "versions": 1}}, "keep.runs"),
        ({"keep": {"runs": 1, "versions": 1.0}}, "keep.versions"),
        ({"inUse": {"runs": [], "versions": ["3"]}}, "inUse.versions"),
        ({"now": "2026-03-01T00:00:00"}, "now"),
        ({"now": "0001-01-01T00:00:00+14:00"}, "now"),
        ({"graceSeconds": -1}, "graceSeconds"),
        ({"graceSeconds": 2**52}, "graceSeconds"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        HelperJobTask.read({**STORE.document(), **change})
    assert refused.value.field == field


@pytest.mark.parametrize("change", [{"digest": "sha256:1"}, {"number": 0}, {"number": 10**9}, {"uri": ""}])
def test_a_wrong_field_of_an_import_is_named(change: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        HelperJobTask.read({**sample("helper_job-import"), **change})
    assert refused.value.field in change


@pytest.mark.parametrize("document", [None, [], "", 3, {}])
def test_what_is_no_task_is_refused(document: Any) -> None:
    with pytest.raises(Refused):
        HelperJobTask.read(document)


def test_a_sweep_without_rules_is_refused() -> None:
    with pytest.raises(Refused, match="keep"):
        HelperJobTask.read({key: value for key, value in STORE.document().items() if key != "keep"})
