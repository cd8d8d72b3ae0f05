"""What the smoke test says: of the version that stands in the store, and why there is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ropewalk_model import manifest
from ropewalk_server.app import smoke_test

Published = tuple[Path, list[dict[str, Any]]]


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: Published) -> Path:
    """A pod's root with a store of its own, and one more candidate: version 2's files."""
    shutil.copytree(published[0] / "claims", tmp_path / "claims")
    models = tmp_path / "claims" / published[1][1]["uri"].removeprefix("pvc://")
    candidate = tmp_path / "candidate"
    shutil.copytree(models, candidate)
    (tmp_path / "work").mkdir()
    task = {"candidate": str(candidate), "models": str(models.parent), "uri": "pvc://models/x"}
    (tmp_path / "work" / "publish.json").write_text(json.dumps(task))
    monkeypatch.setenv("ROPEWALK_ROOT", str(tmp_path))
    monkeypatch.setenv("ROPEWALK_TERMINATION_LOG", str(tmp_path / "said"))
    return tmp_path


def made_from(candidate: Path, run: int) -> None:
    """As if another training of that run had given these files."""
    document = dict(manifest.verify(candidate).document)
    document["madeFrom"] = {**document["madeFrom"], "runId": run, "attempt": 2}
    manifest.write_manifest(candidate, document)


def test_an_earlier_attempts_version_is_told_as_it_stands(pod: Path, published: Published) -> None:
    """Another attempt trained again, with other weights: nothing of that is said of the version."""
    made_from(pod / "candidate", run=1)
    assert smoke_test.main() == 0
    said = json.loads((pod / "said").read_text())
    earlier = published[1][0]
    assert said["version"] == 1
    assert (said["digest"], said["manifestDigest"]) == (earlier["digest"], earlier["manifestDigest"])


def test_a_failure_has_its_last_log_lines(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each engine that refused; the log itself has them too."""
    candidate = pod / "candidate"
    made_from(candidate, run=3)
    examples = json.loads((candidate / manifest.EXAMPLES).read_text())
    examples["examples"][0]["expected"]["score"] = 0.123
    (candidate / manifest.EXAMPLES).write_text(json.dumps(examples))
    before = manifest.read_manifest(candidate, None).document
    written = manifest.build_manifest(candidate, made_from=before["madeFrom"], engines=before["engines"])
    manifest.write_manifest(candidate, written)
    assert smoke_test.main() == 1
    said = json.loads((pod / "said").read_text())
    assert said["reason"] == "SmokeTestFailed"
    assert any("ExamplesDisagree" in line for line in said["log"])
    assert "engine refused" in capsys.readouterr().err


def test_a_crash_is_told_by_its_traceback(pod: Path) -> None:
    """A bug of ours: the last lines say where."""
    (pod / "work" / "publish.json").write_text("[" * 100_000)
    assert smoke_test.main() == 1
    said = json.loads((pod / "said").read_text())
    assert said["reason"] == "Crashed"
    assert any("decoder.py" in line for line in said["log"])
