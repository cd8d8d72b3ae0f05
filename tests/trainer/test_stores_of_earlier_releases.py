"""A store that commit 9fe97bf wrote (two runs of a small Pipeline, the second removed) is read and carried on."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ropewalk_model import examples, manifest
from ropewalk_server.app import smoke_test
from ropewalk_server.protocols.common.decoders import DECODERS
from ropewalk_server.serving import model as serving
from ropewalk_trainer import main
from tests.trainer.support import Pod

SAMPLE = Path(__file__).parent / "samples" / "store-9fe97bf.tar.gz"
SPEC: dict[str, Any] = {
    "artifacts": {"uri": "pvc://models/ropewalk"},
    "source": {"uri": "pvc://data/t/train.csv", "format": "CSV"},
    "schema": {
        "label": {"name": "label", "type": "Category", "classes": ["no", "yes"]},
        "features": [
            {"name": "a", "type": "Number"},
            {"name": "b", "type": "Number"},
            {"name": "city", "type": "Category"},
        ],
    },
    "train": {"template": "Tabular", "hyperparameters": [{"name": "epochs", "value": "3"}], "seed": 1},
}
DIGEST = "sha256:758e3f8319d2a1bc55f71ff26bede3f87494356f506a0d6eaff2cda83011cd28"


@pytest.fixture
def old(pod: Pod) -> Path:
    """The Pipeline's root in a pod whose claims hold the sample."""
    with tarfile.open(SAMPLE) as archive:
        archive.extractall(pod.root, filter="data")
    return pod.root / "claims" / "models" / "ropewalk" / "ns" / "p"


def helper_job(pod: Pod, kind: str, **fields: Any) -> dict[str, Any]:
    """What the helper job says."""
    document = {"formatVersion": 1, "type": kind, "namespace": "ns", "pipeline": "p", "pipelineUid": "u-1"}
    document |= {"artifacts": "pvc://models/ropewalk", "adoptStore": False, **fields}
    (pod.root / "run" / "errand.json").write_text(json.dumps(document))
    assert main.main(["errand"]) == 0
    said: dict[str, Any] = json.loads((pod.root / "termination-log").read_text())
    return said


@pytest.mark.parametrize("engine", ["LiteRT", "OpenVINO", "ONNXRuntime"])
def test_a_version_is_verified_and_served(old: Path, engine: str) -> None:
    """Its manifest has no map of outputs: its core has one, y, and its examples come out as they did."""
    verified = manifest.verify(old / "models" / "1")
    assert verified.model_digest == DIGEST
    assert all(one.outputs == {} for one in verified.engines)
    parts = serving.read_parts(old / "models" / "1", verified.digest)
    model = serving.load_from(parts, engine, 1.0, decoders=DECODERS)
    assert model.engine_name == engine
    batch, _ = model.decoder.decode({"instances": examples.instances(parts.examples)}, None)
    assert examples.disagreement(parts.examples, parts.signature.answer(model.predict(batch))) is None


def test_its_history_is_recovered_and_swept(old: Path, pod: Pod) -> None:
    said = helper_job(pod, "Recover")
    assert (said["store"], said["lastRun"], said["unreadable"]) == ("Mine", 1, 0)
    assert [(one["version"], one["digest"]) for one in said["versions"]] == [(1, DIGEST)]
    (old / "models" / ".deleted-7").mkdir()
    said = helper_job(
        pod,
        "Sweep",
        keep={"runs": 1, "versions": 1},
        inUse={"runs": [], "versions": []},
        now="2026-12-01T00:00:00Z",
        graceSeconds=0,
    )
    assert (said["reason"], said["deletedVersions"]) == ("Swept", [])
    assert not (old / "models" / ".deleted-7").exists()
    assert manifest.verify(old / "models" / "1").model_digest == DIGEST


def test_an_attempt_goes_on_from_what_it_left(old: Path, pod: Pod) -> None:
    """Snapshot and weights are the cache of another attempt, which publishes the same model again."""
    found = pod.run(SPEC, run=1, attempt=2)
    assert found.code == 0, found.message
    assert (found.states["Source"], found.states["Train"]) == ("Cached", "Cached")
    assert found.candidate().model_digest == DIGEST
    assert smoke_test.main() == 0
    said = json.loads((pod.root / "termination-log").read_text())
    assert said["version"] == 1, "an earlier attempt of this run published it"


def test_the_next_run_is_compared_with_its_version(old: Path, pod: Pod) -> None:
    """As the champion, whose engines have no map of outputs."""
    champion = {"version": 1, "uri": "pvc://models/ropewalk/ns/p/models/1", "digest": DIGEST}
    spec = {**SPEC, "evaluate": {"metrics": [{"name": "accuracy", "maxRegression": "0.5"}]}}
    found = pod.run(spec, run=2, champion=champion)
    assert found.code == 0, found.message
    assert smoke_test.main() == 0
    said = json.loads((pod.root / "termination-log").read_text())
    assert said["version"] == 2
    assert manifest.verify(old / "models" / "2").engines[0].outputs
