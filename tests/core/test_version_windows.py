"""Counts are kept by version: the live one is judged while a candidate is there, a retired one still gets labels."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from tests.core.deployment_world import World, champion
from tests.core.monitoring_world import LABELS, minute, watched
from tests.core.rollouts import promoted

SECONDS = 10
"""Length of a bucket at a window of one minute."""


def count(world: World, version: int, seconds: float = 0.0, labels: dict[str, Any] | None = None) -> None:
    """A pod counts 300 rows of a version, and the operator reads them when their bucket has closed."""
    start = int(world.now.timestamp()) // SECONDS * SECONDS
    one = {"start": start, "seconds": SECONDS, "version": version, "digest": champion(version)["digest"]}
    world.servers[0].windows.append({**one, "requests": 300, "errors": 0, "rows": 300, "labels": labels or {}})
    world.now += timedelta(seconds=seconds or SECONDS + 5)
    world.step()


def rolling(world: World) -> None:
    """Version 2 is on its way, and no server has loaded it yet."""
    promoted(world, champion(2))
    while world.status.get("candidate", {}).get("step") != "Loading":
        world.step_without_servers()
        world.now += timedelta(seconds=0.25)


def test_the_live_versions_windows_are_judged_while_a_candidate_is_there() -> None:
    """A candidate that waits, for days maybe, is no reason to look away."""
    world = watched()
    minute(world, 0.0)
    world.claim = None
    promoted(world, champion(2), uri="pvc://elsewhere/demo/cancer/models/2")
    world.on_new_server = lambda server: setattr(server, "waiting", {"reason": "ContainerCreating"})
    world.settle()
    assert world.status["candidate"]["step"] == "Pending"
    minute(world, 3.0)
    assert world.condition("DataDrift")["status"] == "True"
    assert world.condition("Observed")["status"] == "True"


def test_a_candidates_labels_are_its_own() -> None:
    """Neither lost nor added to those of the live version."""
    world = watched()
    rolling(world)
    count(world, 2, labels=LABELS)
    performance = world.status["candidate"]["performance"]
    assert (performance["version"], performance["labels"]) == (2, 30)
    assert {one["name"]: one["value"] for one in performance["metrics"]}["accuracy"] == "0.9000"
    assert "performance" not in world.status


def test_a_candidates_counts_stay_when_it_takes_the_next_step() -> None:
    """A step begins at a time of its own; what was counted in the steps before is not lost with it."""
    world = watched()
    rolling(world)
    count(world, 2, labels=LABELS)
    assert world.status["candidate"]["performance"]["labels"] == 30
    world.now = world.now.replace(minute=5, second=1)
    world.settle()
    assert world.status["live"]["version"] == 2
    assert world.status["live"]["since"] > "2026-01-02T03:05:00Z", "a minute after the labels came"
    assert world.status["performance"]["labels"] == 30


def test_labels_for_the_version_that_answered_before_still_count_for_it() -> None:
    """They come days later, and say how good the version was that is gone."""
    world = watched()
    minute(world, 0.0, LABELS)
    promoted(world, champion(2))
    world.settle()
    retired = world.status["retired"]
    assert (retired["version"], retired["performance"]["labels"]) == (1, 30)
    assert retired["since"] < retired["until"]
    count(world, 1, labels=LABELS)
    assert world.status["retired"]["performance"]["labels"] == 60
    assert world.status.get("performance", {"version": 2})["version"] == 2
    count(world, 2, seconds=900, labels=LABELS)
    world.step()
    kept = json.loads(world.objects["ConfigMap", "cancer-labels"]["data"]["labels.json"])["versions"]
    assert [(one["version"], sum(sums["count"] for sums in one["sums"])) for one in kept] == [(2, 30), (1, 60)]
    assert [bool(one["windows"]) for one in kept] == [True, False], "nothing is judged of a retired version but labels"


def test_a_way_back_finds_baseline_and_counts() -> None:
    """The version that was live before becomes live again."""
    world = watched()
    minute(world, 0.0, LABELS)
    for version in (2, 1):
        promoted(world, champion(version))
        world.settle()
    assert world.baseline_reads == 2, "one a version"
    assert (world.status["live"]["version"], world.status["retired"]["version"]) == (1, 2)
