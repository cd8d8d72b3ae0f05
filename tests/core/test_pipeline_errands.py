"""Errands: what an empty status forgot comes back from the store; what is kept no longer is found and deleted (D14)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ropewalk.core.conditions import timestamp
from tests.core.pipeline_world import DIGEST, START, World, example


def version(number: int, **more: Any) -> dict[str, Any]:
    """As Recover reports one."""
    uri = f"pvc://models/ropewalk/demo/cancer/models/{number}"
    metrics = [{"name": "accuracy", "value": "0.95"}]
    found = {"version": number, "uri": uri, "digest": DIGEST.replace("a", str(number)), "runId": number + 1}
    return {**found, "blessing": "Blessed", "engines": ["LiteRT"], "metrics": metrics, **more}


def lost(**spec: Any) -> World:
    """A Pipeline that is older than a minute and has no status."""
    world = World(example("tabular", **spec))
    world.owner["metadata"]["creationTimestamp"] = timestamp(START - timedelta(days=3))
    world.settle()
    return world


def errand(world: World, code: int = 0, **said: Any) -> None:
    """The newest Job is an errand's and ends so."""
    name = world.job()["metadata"]["name"]
    outcome = "Succeeded" if code == 0 else "Failed"
    text = json.dumps({"v": 1, "outcome": outcome, **said})
    state = {"terminated": {"exitCode": code, "reason": "Completed", "message": text}}
    world.objects["Pod", f"{name}-x"] = {
        "kind": "Pod",
        "metadata": {"name": f"{name}-x", "labels": {"batch.kubernetes.io/job-name": name}},
        "status": {"phase": "Succeeded", "containerStatuses": [{"name": "errand", "state": state}]},
    }
    world.settle()


def asked(world: World) -> dict[str, Any]:
    """The `errand.json` of the newest errand."""
    maps = [o for (kind, name), o in world.objects.items() if kind == "ConfigMap" and "-errand-" in name]
    return dict(json.loads(maps[-1]["data"]["errand.json"]))


def test_a_young_pipeline_has_nothing_to_recover() -> None:
    """Its first run starts at once."""
    world = World(example("tabular"))
    world.owner["metadata"]["creationTimestamp"] = timestamp(START - timedelta(seconds=5))
    world.settle()
    assert world.jobs() == ["1-run-1"]


def test_an_empty_status_is_recovered_before_anything_runs() -> None:
    """Run ids go on, the champion and the history are back; only then the next run starts."""
    world = lost()
    assert world.jobs() == ["1-errand-1"]
    assert (asked(world)["type"], asked(world)["pipelineUid"]) == ("Recover", "5f0c-uid")
    errand(world, store="Mine", lastRun=7, versions=[version(2), version(1)])
    assert world.status["champion"]["version"] == 2
    assert world.status["champion"]["reason"] == "recovered from the store"
    assert [entry["version"] for entry in world.status["history"]] == [1, 2]
    assert world.status["run"]["id"] == 8
    assert world.jobs() == ["1-errand-1", "8-run-1"]


def test_the_version_that_followers_serve_is_the_champion() -> None:
    """With manual promotion the store does not tell; those who serve do."""
    world = lost(promotion="Manual")
    follower = {"spec": {"model": {"pipeline": "cancer"}}, "status": {"live": {"digest": version(1)["digest"]}}}
    world.others["web"] = {"metadata": {"name": "web"}, **follower}
    errand(world, store="Mine", lastRun=3, versions=[version(2), version(1)])
    assert world.status["champion"]["version"] == 1


def test_an_empty_store_gives_run_one() -> None:
    """Nothing was lost."""
    world = lost()
    errand(world, store="Absent", lastRun=0, versions=[])
    assert world.jobs() == ["1-errand-1", "1-run-1"]


def test_nothing_is_trained_over_a_store_that_cannot_be_read() -> None:
    """It is tried again after a minute, and said why."""
    world = lost()
    errand(world, 75, reason="StoreUnavailable", message="input/output error")
    assert world.jobs() == ["1-errand-1"]
    assert world.status["errand"]["message"] == "StoreUnavailable: input/output error"
    assert "RecoverFailed" in world.heard()
    world.later(seconds=61)
    assert world.jobs() == ["1-errand-1", "2-errand-1"]
    errand(world, store="Mine", lastRun=1, versions=[])
    assert world.jobs()[-1] == "2-run-1"


def test_a_users_mistake_is_left_to_the_run_to_tell() -> None:
    """An uri that cannot be used fails the run with its own message."""
    world = lost()
    errand(world, 64, reason="InvalidSpec", message="spec.artifacts.uri")
    assert world.jobs() == ["1-errand-1", "1-run-1"]


def test_an_adopted_store_gives_back_its_versions() -> None:
    """A re-created Pipeline was stopped by the store of its namesake; the annotation lets it take over all of it."""
    world = World(example("tabular"))
    world.settle()
    world.fail(64, {"v": 1, "outcome": "Failed", "stage": "Source", "reason": "StoreOwnedByAnother", "message": "x"})
    assert world.jobs() == ["1-run-1"]
    world.annotate("adopt-store", "true")
    world.settle()
    assert asked(world)["adoptStore"] is True
    errand(world, store="Mine", lastRun=9, versions=[version(3)])
    assert world.status["champion"]["version"] == 3
    world.annotate("run-requested-at", "now")
    world.settle()
    assert world.jobs()[-1] == "10-run-1"


def swept(**keep: int) -> World:
    """A Pipeline with three runs, each with a version, and few to keep."""
    artifacts = {**example("tabular")["spec"]["artifacts"], "keep": {"runs": 20, "versions": 10, **keep}}
    world = World(example("tabular", artifacts=artifacts, triggers={}))
    world.settle()
    for number in range(1, 4):
        world.succeed(number)
        if number < 3:
            world.now += timedelta(minutes=1)
            world.annotate("run-requested-at", str(number))
            world.settle()
    return world


def test_nothing_is_swept_while_there_is_no_more_than_is_kept() -> None:
    """An idle Pipeline costs nothing."""
    world = swept()
    assert not any("errand" in name for name in world.jobs())
    assert world.later(days=30) is None


def test_two_sweeps_a_day_apart_and_then_none() -> None:
    """What is in use is named to the sweep; when nothing waits and nothing has run since, there is no other."""
    world = swept(versions=2)
    assert world.jobs()[-1] == "1-errand-1"
    found = asked(world)
    assert (found["type"], found["keep"]) == ("Sweep", {"runs": 20, "versions": 2})
    assert found["inUse"] == {"versions": [2, 3], "runs": [1, 2, 3]}
    errand(world, waiting=1, message="1 version waits")
    assert world.settle() == pytest.approx(86400)
    world.later(days=1)
    assert world.jobs()[-1] == "2-errand-1"
    errand(world, waiting=0, deletedVersions=[1])
    assert not any("errand-1-" in name for (kind, name) in world.objects if kind == "ConfigMap"), "the old one stays"
    assert world.later(days=2) is None


def test_versions_that_deployments_serve_or_pin_are_in_use() -> None:
    """Of every ModelDeployment that names this Pipeline."""
    world = swept(versions=2)
    pinned = {"spec": {"model": {"pipeline": "cancer", "version": 7}}, "status": {"live": {"version": 1}}}
    world.others["web"] = {"metadata": {"name": "web"}, **pinned}
    errand(world, waiting=1)
    world.later(days=1)
    assert asked(world)["inUse"]["versions"] == [1, 2, 3, 7]


def test_keeping_more_or_less_is_no_reason_for_a_run() -> None:
    """`keep` decides about the past."""
    world = swept()
    jobs = len(world.jobs())
    keep = {"runs": 15, "versions": 5}
    world.edit(artifacts={**world.owner["spec"]["artifacts"], "keep": keep})
    world.settle()
    assert len(world.jobs()) == jobs
