"""Contract C2 of a run: assertions for the termination messages of a real run and of the fake one of tests/core."""

from __future__ import annotations

import json
from typing import Any

from ropewalk.core.jobs import container_end
from ropewalk_contract.api.conditions import STAGES
from ropewalk_contract.documents.results import SmokeResult, TrainResult

TRAINED = "v outcome stages metrics blessing reasons dataFingerprint rows anomalies record"
PUBLISHED = "v outcome version uri digest manifestDigest engines"


def check_trained(message: dict[str, Any]) -> None:
    """The message of a `train` that succeeded has the fields of its type, and is read without a loss."""
    found = TrainResult.read(container_end.document(json.dumps(message, ensure_ascii=False, separators=(",", ":"))))
    assert found is not None
    assert {"v": 1, **found.document()} == message
    assert set(message) == set(TRAINED.split())
    assert found.outcome == "Succeeded"
    assert [row[0] for row in found.stages] == [name for name in STAGES if name != "SmokeTest"]
    assert {row[1] for row in found.stages} <= {"Succeeded", "Cached", "Skipped"}
    assert found.record[0].endswith("/record.json")
    assert found.data_fingerprint.startswith("sha256:")


def check_published(message: dict[str, Any]) -> None:
    """The message of a `smoke-test` that claimed a number has the fields of its type, and is read without a loss."""
    found = SmokeResult.read(container_end.document(json.dumps(message)))
    assert found is not None
    assert {"v": 1, **found.document()} == message
    assert set(message) == set(PUBLISHED.split())
    assert (found.outcome, found.uri.rsplit("/", 1)[-1]) == ("Succeeded", str(found.version))
    assert {found.digest[:7], found.manifest_digest[:7]} == {"sha256:"}
    assert found.engines
