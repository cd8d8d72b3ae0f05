"""Status as the operator writes it fits the schema: a status that does not is refused as a whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from ropewalk.core.conditions import Condition, set_conditions
from ropewalk.core.deployment import state as memory
from ropewalk.core.deployment.versions import Version
from ropewalk.core.pipeline import state as record
from ropewalk_contract.api.modeldeployment import ModelDeploymentStatus
from ropewalk_contract.api.pipeline import PipelineStatus

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def unknown_fields(model: Any, document: dict[str, Any], path: str) -> list[str]:
    """Fields of a document that its model does not name."""
    aliases = {field.alias or name: name for name, field in type(model).model_fields.items()}
    found = [f"{path}.{key}" for key in document if key not in aliases]
    for key, name in aliases.items():
        value, seen = document.get(key), getattr(model, name)
        if isinstance(value, dict) and hasattr(type(seen), "model_fields"):
            found += unknown_fields(seen, value, f"{path}.{key}")
        if isinstance(value, list):
            for one, parsed in zip(value, seen, strict=True):
                if isinstance(one, dict):
                    found += unknown_fields(parsed, one, f"{path}.{key}[]")
    return found


def test_the_state_of_a_pipeline_fits() -> None:
    run = record.Run(
        id=3,
        generation=2,
        spec_hash="0" * 64,
        trigger="Drift",
        reason="cancer: mean_radius drifted",
        started_at=NOW,
        state=record.RETRYING,
        attempt=2,
        failures=1,
        retry_at=NOW,
        memory_limit="3Gi",
        message="again",
        waiting="Unschedulable",
        finished_at=NOW,
        blessing="Blessed",
        data_fingerprint="sha256:" + "1" * 64,
        stages=({"name": "Train", "state": "Failed", "startedAt": "2026-01-02T03:04:05Z", "progress": "epoch 3/30"},),
        metrics=(("accuracy", "0.96"),),
        failure={"stage": "Train", "reason": "OutOfMemory", "message": "x", "exitCode": 137, "log": ["last line"]},
    )
    ledger = record.PipelineState(
        run=run,
        history=({"id": 2, "trigger": "Manual", "result": "Succeeded", "version": 1, "record": {"uri": "pvc://m/r"}},),
        champion={"version": 1, "uri": "pvc://m/1", "digest": "sha256:" + "2" * 64, "engines": ["LiteRT"], "runId": 2},
        anomalies=({"feature": "age", "reason": "OutOfRange", "count": 3, "share": "0.05", "example": "-1"},),
        consecutive_failures=1,
        handled_run_request="now",
        handled_promotion="1",
        handled_drift=("cancer/uid/2026-01-02T03:04:05Z",),
        last_schedule=NOW,
        next_schedule=NOW,
    )
    written = record.write(ledger, "run-job-3-2")
    parsed = PipelineStatus.model_validate_json(json.dumps(written), strict=True)
    assert unknown_fields(parsed, written, "status") == []
    assert parsed.document() == written


def test_routes_of_a_model_deployment_fit() -> None:
    version = Version(3, "pvc://models/a/3", "sha256:" + "3" * 64, "sha256:" + "4" * 64, 4)
    written = {
        "routes": memory.routes_document(memory.Routes(7, 4, "pod-1", (version,), NOW, 2)),
        "live": {**version.document(), "engine": "LiteRT", "since": "2026-01-02T03:04:05Z"},
        "candidate": {**version.document(), "step": memory.Step.SPREADING, "since": "2026-01-02T03:04:05Z"},
        "history": list(
            memory.DeploymentState().remember(version, "Live", NOW, reason="Promoted", message="y").history
        ),
        "conditions": set_conditions([], [Condition("Ready", "True", "Serving", "x")], generation=1, now=NOW),
    }
    parsed = ModelDeploymentStatus.model_validate_json(json.dumps(written), strict=True)
    assert unknown_fields(parsed, written, "status") == []
    assert parsed.document() == written


def test_a_number_where_columns_show_text_is_found() -> None:
    with pytest.raises(ValidationError, match=r"summary\.run"):
        PipelineStatus.model_validate_json('{"summary": {"run": 3}}', strict=True)
