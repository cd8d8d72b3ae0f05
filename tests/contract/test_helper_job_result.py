"""Results of helper jobs: samples of version 1 and new ones, both ways, and the bounds of untrusted ones."""

from __future__ import annotations

from typing import Any

import pytest

from ropewalk.core.jobs.container_end import document
from ropewalk_contract.documents import termination_message
from ropewalk_contract.documents.helper_job import IMPORT, RECOVER, SWEEP
from ropewalk_contract.documents.helper_job_result import (
    FOREIGN,
    MINE,
    HelperJobResult,
    Imported,
    Recovered,
    StoredVersion,
    Swept,
)
from tests.contract.samples_of import sample, text

DIGESTS = {name: f"sha256:{name * 64}" for name in "abcd"}
VERSION = StoredVersion(
    version=7,
    run_id=4,
    uri="pvc://models/ropewalk/demo/cancer/models/7",
    digest=DIGESTS["a"],
    manifest_digest=DIGESTS["b"],
    blessing="Blessed",
    engines=("LiteRT",),
    data_fingerprint=DIGESTS["d"],
    metrics=(("accuracy", "0.9734"),),
)
SAMPLES = {
    RECOVER: Recovered(MINE, last_run=4, versions=(VERSION,)),
    SWEEP: Swept((1,), (1, 2), waiting=3, freed_bytes=100),
    IMPORT: Imported(
        f"pvc://models/.ropewalk/imported/{'a' * 64}/3", f"sha256:{'b' * 64}", f"sha256:{'c' * 64}", ("LiteRT",)
    ),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_result_of_version_1_is_read_and_written_as_it_was(kind: str) -> None:
    found = HelperJobResult.read(document(text(f"result-{kind.lower()}")), kind)
    assert found is not None
    assert (found.type, found.outcome, found.content) == (kind, "Succeeded", SAMPLES[kind])
    assert {"v": 1, **found.document()} == sample(f"result-{kind.lower()}")


@pytest.mark.parametrize(
    "result",
    [
        HelperJobResult(RECOVER, "Succeeded", "StoreOwnedByAnother", "of another", Recovered(FOREIGN)),
        HelperJobResult(RECOVER, "Succeeded", "Recovered", "", Recovered(MINE, 9, 1, (VERSION,), adopted=True)),
        HelperJobResult(SWEEP, "Failed", "StoreNotWritable", "read-only", Swept((1,), (), 2)),
        HelperJobResult("Mend", "Failed", "InvalidSpec", "the type is not known"),
    ],
)
def test_a_result_is_read_as_it_was_written(result: HelperJobResult) -> None:
    written = termination_message.encoded(result.document()).decode()
    assert HelperJobResult.read(document(written), result.type) == result


def test_the_content_is_that_of_the_task_that_was_given() -> None:
    found = HelperJobResult.read(document(text("result-sweep")), RECOVER)
    assert found is not None
    assert found.content == Recovered()


@pytest.mark.parametrize("outcome", [None, "", "Running", 1, ["Succeeded"]])
def test_without_an_outcome_there_is_no_result(outcome: Any) -> None:
    assert HelperJobResult.read({"outcome": outcome}, RECOVER) is None
    assert HelperJobResult.read(outcome, RECOVER) is None


def test_a_wrong_field_loses_itself_alone() -> None:
    versions = [{**VERSION.document(), "version": "7"}, 3, {**VERSION.document(), "metrics": 1, "engines": None}]
    found = Recovered.read({"store": "Mine", "lastRun": -1, "versions": versions, "adopted": "yes"})
    assert [one.version for one in found.versions] == [7]
    assert (found.store, found.last_run, found.adopted, found.versions[0].metrics) == ("Mine", 0, False, ())
    assert Swept.read({"deletedRuns": [1, "2", True, 3], "waiting": None, "freedBytes": 5}) == Swept((), (1, 3), 0, 5)


def test_every_field_is_bounded() -> None:
    row = {**VERSION.document(), "uri": "x" * 9999, "engines": ["x" * 99] * 99}
    recovered = Recovered.read({"versions": [row] * 99})
    assert (len(recovered.versions), len(recovered.versions[0].uri)) == (10, 1024)
    assert len(Swept.read({"deletedRuns": list(range(1, 99))}).deleted_runs) == 20


def test_a_part_of_an_identity_is_none() -> None:
    assert (
        Imported.read({"uri": "x" * 9999, "digest": "x" * 101, "manifestDigest": 3, "engines": "LiteRT"}) == Imported()
    )
