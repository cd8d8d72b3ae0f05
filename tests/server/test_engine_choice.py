"""Auto takes the engine that is fastest for the requests that come, and changes it beside the one that answers."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ropewalk_model import manifest
from ropewalk_server.serving.crashmarks import CrashMarks
from ropewalk_server.serving.engine_choice import FEWEST, SECONDS, RowsSeen
from ropewalk_server.serving.routes import Route, Routes
from tests.polling import eventually_async
from tests.server.apps import Versions

Published = tuple[Path, list[dict[str, Any]]]


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_average_is_of_a_whole_period_with_enough_requests() -> None:
    clock = Clock()
    seen = RowsSeen(clock)
    assert seen.average(1, 500, 500) is None, "what came before says nothing about the rate"
    clock.now = SECONDS - 1
    assert seen.average(1, 1000, 100_500) is None
    clock.now = SECONDS
    assert seen.average(1, 1000, 100_500) == 200.0
    clock.now = 2 * SECONDS
    assert seen.average(1, 1000 + FEWEST - 1, 100_600) is None
    clock.now = 3 * SECONDS
    assert seen.average(2, 1000, 1000) is None, "another version"


@pytest.fixture
def version(tmp_path: Path, published: Published) -> Path:
    """A version whose publisher measured OpenVINO far faster at 256 rows, slower at one."""
    (source,) = published[0].glob("**/models/1")
    place = tmp_path / "1"
    shutil.copytree(source, place)
    document = json.loads((place / manifest.MANIFEST).read_text())
    measured = {
        "LiteRT": {"1": 5, "256": 5000},
        "OpenVINO": {"1": 50, "256": 100},
        "ONNXRuntime": {"1": 60, "256": 300},
        "TensorFlow": {"1": 500, "256": 900},
    }
    for engine in document["engines"]:
        engine["latencyMicros"] = measured[engine["name"]]
    manifest.write_manifest(place, document)
    return place


def engine(versions: Versions) -> str:
    """The live version's."""
    return versions.live_model.engine_name if versions.live_model else ""


async def until(versions: Versions, wanted: str) -> None:
    """Wait for that engine to answer."""
    await eventually_async(lambda: engine(versions), until=lambda name: name == wanted, seconds=20)


def test_large_requests_change_the_engine_and_small_ones_change_it_back(version: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        versions = Versions(pod="a", root=tmp_path, marks=CrashMarks(tmp_path / "state"))
        versions.follow(Routes(revision=1, live=1, versions=(Route(1, str(version), None, ""),)))
        await until(versions, "LiteRT")
        versions.prefer(2.0)
        assert not versions.held[1].changing, "not worth a change"
        versions.prefer(256.0)
        assert engine(versions) == "LiteRT", "it answers until the other one can"
        await until(versions, "OpenVINO")
        versions.prefer(1.0)
        await until(versions, "LiteRT")
        versions.stop()

    asyncio.run(scenario())
    assert list((tmp_path / "state").iterdir()) == []


def test_an_engine_that_is_asked_for_stays(version: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        versions = Versions(pod="a", root=tmp_path, marks=CrashMarks(tmp_path / "state"))
        versions.follow(Routes(revision=1, live=1, versions=(Route(1, str(version), None, ""),), engine="LiteRT"))
        await until(versions, "LiteRT")
        versions.prefer(256.0)
        assert not versions.held[1].changing
        versions.stop()

    asyncio.run(scenario())


def test_a_death_while_the_engine_changed_costs_neither_the_version_nor_a_second_try(
    version: Path, tmp_path: Path
) -> None:
    async def scenario() -> None:
        marks = CrashMarks(tmp_path / "state")
        versions = Versions(pod="a", root=tmp_path, marks=marks)
        routes = Routes(revision=1, live=1, versions=(Route(1, str(version), None, ""),))
        versions.follow(routes)
        await until(versions, "LiteRT")
        marks.mark(versions.held[1].mark)  # as a process leaves it that dies now

        again = Versions(pod="a", root=tmp_path, marks=CrashMarks(tmp_path / "state"))
        again.follow(routes)
        await until(again, "LiteRT")
        again.prefer(256.0)
        assert not again.held[1].changing

    asyncio.run(scenario())


def test_an_engine_that_cannot_be_loaded_leaves_the_one_that_answers_and_is_tried_once(
    version: Path, tmp_path: Path
) -> None:
    async def scenario() -> None:
        versions = Versions(pod="a", root=tmp_path, marks=CrashMarks(tmp_path / "state"))
        versions.follow(Routes(revision=1, live=1, versions=(Route(1, str(version), None, ""),)))
        await until(versions, "LiteRT")
        (version / manifest.COMPILED / "openvino.xml").write_text("<nothing/>")
        versions.prefer(256.0)
        await eventually_async(lambda: versions.held[1].reason, until=lambda why: why == "TamperedModel", seconds=20)
        assert engine(versions) == "LiteRT"
        versions.prefer(256.0)
        assert not versions.held[1].changing
        versions.stop()

    asyncio.run(scenario())
