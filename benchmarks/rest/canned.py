"""Documents of resources at rest: a Pipeline's status after its first run, and answers of a server without traffic.

All Pipelines have the same champion, so that one answer is right for every pod.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np

from benchmarks.cluster import manifest
from ropewalk.core.deployment.observe.pods import BASELINE_PATH, STATUS_PATH, WINDOWS_PATH
from ropewalk.core.deployment.versions import Version
from ropewalk_model import baseline
from ropewalk_model.features import FeatureSpec
from tests.core.pipeline_world import World, example

BUCKET_SECONDS = 10
FEATURES = 30
ROWS = 400
REVISION = 1_000_000
"""Above the revision of any routes: the pod follows what it is told."""


def pipeline(name: str, followers: list[str]) -> dict[str, Any]:
    """A Pipeline of the tabular example whose drift trigger watches its followers, without a trigger that is due."""
    triggers = {"onSpecChange": True, "drift": {"modelDeployments": followers, "cooldown": "1h", "maxPerDay": 2}}
    found = manifest("tabular", "pipeline.yaml", triggers=triggers)
    found["metadata"]["name"] = name
    return found


def pipeline_status(spec: dict[str, Any]) -> dict[str, Any]:
    """Status after a run of that spec that succeeded: the operator's own decisions over a world of the tests."""
    world = World(example("tabular", **spec))
    world.now = datetime.now(UTC).replace(microsecond=0)
    world.settle()
    world.succeed(1)
    found: dict[str, Any] = json.loads(json.dumps(world.status))
    found.pop("conditions")
    return found


def model_deployment(name: str, pipeline_name: str, selector: dict[str, str]) -> dict[str, Any]:
    """A ModelDeployment of one pod for a node with those labels."""
    model = {"pipeline": pipeline_name}
    found = manifest("tabular", "modeldeployment.yaml", model=model, serving={"nodeSelector": selector})
    found["metadata"]["name"] = name
    return found


class Answers:
    """Answers of every pod: the champion of `pipeline_status` is loaded, proved and live, nothing has been asked."""

    def __init__(self, champion: dict[str, Any]) -> None:
        version = Version.from_document(champion)
        assert version is not None, champion
        held = {
            "version": version.served,
            "digest": version.digest,
            "path": version.path,
            "state": "Proved",
            "engine": "LiteRT",
            "reason": "",
            "message": "",
        }
        self._status = {"formatVersion": 1, "revision": REVISION, "live": version.served, "versions": [held]}
        self._baseline = {"version": version.served, "baseline": _baseline()}

    def to(self, path: str) -> dict[str, Any] | None:
        """The answer to a GET of that path, its query included; None where a server has nothing there."""
        plain = path.partition("?")[0]
        if plain == STATUS_PATH:
            return self._status
        if plain == BASELINE_PATH:
            return self._baseline
        if plain != WINDOWS_PATH:
            return None
        through = int(time.time()) // BUCKET_SECONDS * BUCKET_SECONDS
        head = {"formatVersion": 1, "bucketSeconds": BUCKET_SECONDS, "lostBefore": 0}
        return {**head, "through": through, "more": False, "buckets": []}


def _baseline() -> dict[str, Any]:
    """A baseline of the tabular example's size: thirty numbers, two classes."""
    random = np.random.default_rng(1)
    specs = [FeatureSpec(f"feature_{number}", "Number") for number in range(FEATURES)]
    columns = {spec.name: random.normal(size=ROWS) for spec in specs}
    labels = random.choice(["malignant", "benign"], size=ROWS)
    return baseline.build(specs, columns, labels, classes=("malignant", "benign"))
