"""Whatever pods say of themselves, and whatever a version's documents hold: the operator's pass comes to an end with a
status that the API server takes, and a server that loads them has a reason for it.

The operator's passes run in the worlds of tests/core, which check every stored status against the schema.
"""

from __future__ import annotations

import contextlib
import copy
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ropewalk.core import untrusted_json
from ropewalk.core.deployment.observe.pods import BASELINE_PATH, STATUS_PATH, WINDOWS_PATH
from ropewalk.core.plan import Scraped
from ropewalk_model import manifest
from ropewalk_server.serving.model import LoadError, read_parts
from tests.core import deployment_world, pipeline_world
from tests.core.monitoring_world import LABELS, minute, watched
from tests.fuzz.documents import mutated
from tests.fuzz.mutations import EXAMPLES
from tests.server import zoo

FEW = settings(max_examples=max(60, EXAMPLES // 8), deadline=None, suppress_health_check=list(HealthCheck))


class Liar(deployment_world.World):
    """A world in which a path's answer is what a test says."""

    lies: dict[str, Any]

    def _answer(self, pod: str, path: str) -> Scraped:
        asked = path.partition("?")[0]
        return read(self.lies[asked]) if asked in self.lies else super()._answer(pod, path)


def text_of(lie: Any) -> str:
    """As JSON, or something like it."""
    try:
        return json.dumps(lie).replace("Infinity", "1e999")
    except ValueError:  # ten to the four hundredth
        return "1" * 500


def read(lie: Any) -> Scraped:
    """As ropewalk.shell.scrape makes it of a pod's answer."""
    try:
        found = untrusted_json.parse(text_of(lie))
    except ValueError:
        return Scraped(None, "ValueError")
    return Scraped(found, None) if isinstance(found, dict) else Scraped(None, "no JSON object")


@pytest.mark.parametrize("path", [STATUS_PATH, WINDOWS_PATH, BASELINE_PATH])
def test_a_server_may_say_anything(path: str) -> None:
    """Beside what it truly is."""
    world = watched()
    minute(world, 3.0, LABELS)
    pod = world.servers[0].name
    truth = copy.deepcopy(world._answer(pod, path).body)

    @FEW
    @given(mutated(truth))
    def tried(lie: Any) -> None:
        found = copy.deepcopy(world)
        found.__class__ = Liar
        assert isinstance(found, Liar)
        found.lies = {path: lie}
        if path == BASELINE_PATH:
            del found.objects["ConfigMap", "cancer-baseline"]  # else no pod is asked for it
        for _ in range(3):
            found.step()
            found.now += timedelta(minutes=1)

    tried()


@pytest.mark.parametrize(("name", "key"), [("cancer-labels", "labels.json"), ("cancer-baseline", "baseline.json")])
def test_a_config_map_may_hold_anything(name: str, key: str) -> None:
    """Whoever may edit ConfigMaps in the namespace may break what is kept there; the pass goes on without it."""
    world = watched()
    minute(world, 3.0, LABELS)
    for _ in range(12):
        minute(world, 3.0, LABELS)
    truth = json.loads(world.objects["ConfigMap", name]["data"][key])

    @FEW
    @given(mutated(truth))
    def tried(lie: Any) -> None:
        found = copy.deepcopy(world)
        found.objects["ConfigMap", name]["data"][key] = text_of(lie)
        found.objects["ConfigMap", name]["metadata"]["annotations"] = {}
        for _ in range(3):
            found.step()
            found.now += timedelta(minutes=1)

    tried()


@pytest.mark.parametrize("container", ["train", "smoke-test"])
@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_run_may_end_with_any_words(container: str, code: int) -> None:
    """And with any exit code."""
    started = pipeline_world.World(pipeline_world.example("tabular"))
    started.settle()
    failure = {"outcome": "Failed", "reason": "BadData", "message": "row 3", "stage": "Validate", "exitCode": code}
    truth = pipeline_world.published(1) if container == "smoke-test" else pipeline_world.trained()

    @FEW
    @given(mutated(truth if code == 0 else {**truth, **failure}), st.booleans())
    def tried(lie: Any, as_text: bool) -> None:
        world = copy.deepcopy(started)
        said = text_of(lie)
        said = said[: len(said) // 2] if as_text else said
        if container == "train":
            world.pod(world.ended(code, said), None, "Failed" if code else "Pending")
        else:
            smoke = world.ended(code, said)
            world.pod(world.ended(0, pipeline_world.trained()), smoke, "Failed" if code else "Succeeded")
        for _ in range(3):
            world.step()
            world.now += timedelta(minutes=1)

    tried()


def test_a_run_may_tell_any_progress() -> None:
    """While it trains."""
    started = pipeline_world.World(pipeline_world.example("tabular"))
    started.settle()
    truth = {
        "formatVersion": 1,
        "stage": "Train",
        "stages": [["Source", "Succeeded", 1767323045.0, 1767323046.0], ["Train", "Running", 1767323046.0, None]],
        "progress": {"epoch": 3, "epochs": 10, "metrics": {"loss": "0.2"}},
    }

    @FEW
    @given(mutated(truth))
    def tried(lie: Any) -> None:
        world = copy.deepcopy(started)
        world.pod(world.running())
        world.progress = read(lie).body
        for _ in range(3):
            world.step()
            world.now += timedelta(seconds=10)

    tried()


@pytest.mark.parametrize("name", [manifest.SIGNATURE, manifest.FEATURES, manifest.BASELINE, manifest.MANIFEST])
def test_a_version_may_hold_any_documents(name: str, tmp_path: Path) -> None:
    """Loading it has a reason, if it has no result."""
    told = zoo.write(tmp_path)[0]
    place = tmp_path / "claims" / told["uri"].removeprefix("pvc://")
    truth = json.loads((place / name).read_text())

    @FEW
    @given(mutated(truth))
    def tried(lie: Any) -> None:
        (place / name).write_text(text_of(lie))
        if name != manifest.MANIFEST:
            manifest.write_manifest(place, manifest.build_manifest(place, made_from={}, engines=[]))
        with contextlib.suppress(LoadError):
            read_parts(place, None)

    tried()
