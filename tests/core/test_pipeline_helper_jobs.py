"""Helper jobs: Recover restores a lost status from the store; Sweep deletes what retention no longer covers (D14)."""

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


def helper_job(world: World, code: int = 0, **said: Any) -> None:
    """The newest Job is a helper job's and ends so."""
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
    """The `errand.json` of the newest helper job."""
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
    helper_job(world, store="Mine", lastRun=7, versions=[version(2), version(1)])
    assert world.status["champion"]["version"] == 2
    assert world.status["champion"]["reason"] == "recovered from the store"
    assert [entry["version"] for entry in world.status["history"]] == [1, 2]
    assert world.status["run"]["id"] == 8
    assert world.jobs() == ["1-errand-1", "8-run-1"]


def test_a_status_that_is_lost_again_is_recovered_anew() -> None:
    """What the store said the first time is not taken for what it says now: a version came in between."""
    world = lost()
    helper_job(world, store="Mine", lastRun=1, versions=[version(1)])
    world.succeed(2)
    assert world.status["champion"]["version"] == 2
    world.owner["status"] = {}
    world.settle()
    assert world.jobs()[-1] == "2-errand-1"
    helper_job(world, store="Mine", lastRun=3, versions=[version(2), version(1)])
    assert world.status["champion"]["version"] == 2
    assert world.status["run"]["id"] == 4


def test_a_store_may_say_everything_twice() -> None:
    """What would be a key twice in status stands there once."""
    world = lost()
    long = [{"name": "m" * 50 + end, "value": "1"} for end in "ab"]
    helper_job(world, store="Mine", lastRun=7, versions=[version(2, metrics=long), version(1, runId=3)])
    assert [entry["id"] for entry in world.status["history"]] == [3]
    assert len(world.status["champion"]["metrics"]) == 1


def test_the_version_that_followers_serve_is_the_champion() -> None:
    """With manual promotion the store does not tell; those who serve do."""
    world = lost(promotion="Manual")
    follower = {"spec": {"model": {"pipeline": "cancer"}}, "status": {"live": {"digest": version(1)["digest"]}}}
    world.others["web"] = {"metadata": {"name": "web"}, **follower}
    helper_job(world, store="Mine", lastRun=3, versions=[version(2), version(1)])
    assert world.status["champion"]["version"] == 1


def test_an_empty_store_gives_run_one() -> None:
    """Nothing was lost."""
    world = lost()
    helper_job(world, store="Absent", lastRun=0, versions=[])
    assert world.jobs() == ["1-errand-1", "1-run-1"]


def test_nothing_is_trained_over_a_store_that_cannot_be_read() -> None:
    """It is tried again after a minute, and said why."""
    world = lost()
    helper_job(world, 75, reason="StoreUnavailable", message="input/output error")
    assert world.jobs() == ["1-errand-1"]
    assert world.status["errand"]["message"] == "StoreUnavailable: input/output error"
    assert "RecoverFailed" in world.heard()
    world.later(seconds=61)
    assert world.jobs() == ["1-errand-1", "2-errand-1"]
    helper_job(world, store="Mine", lastRun=1, versions=[])
    assert world.jobs()[-1] == "2-run-1"


def looks(world: World, state: dict[str, Any], **status: Any) -> None:
    """The pod of the newest helper job, as kubelet and the scheduler tell of it."""
    name = world.job()["metadata"]["name"]
    world.objects["Pod", f"{name}-x"] = {
        "kind": "Pod",
        "metadata": {"name": f"{name}-x", "labels": {"batch.kubernetes.io/job-name": name}},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "errand", "state": state}], **status},
    }
    world.settle()


def said(world: World) -> tuple[str, str]:
    """What people look at: the column MESSAGE and why the Pipeline is not ready, which say the same."""
    ready = next(c["message"] for c in world.status["conditions"] if c["type"] == "Ready")
    assert world.status["summary"]["message"] == ready
    reconciling = world.condition("Reconciling")
    assert reconciling is not None
    return ready, reconciling[1]


def test_a_look_at_the_store_that_cannot_start_says_why() -> None:
    """Nothing else starts until it has ended, so its pod's trouble is the Pipeline's."""
    world = lost()
    assert said(world) == ("the store is looked through for what status has forgotten", "Progressing")
    world.later(seconds=6)
    assert said(world)[1] == "PodNotCreated"
    world.missing.add("models")
    looks(world, {})
    text = "PersistentVolumeClaim models does not exist in this namespace; create it or correct the uri"
    assert said(world) == (f"Recover of the store cannot start: VolumeNotFound: {text}", "VolumeNotFound")
    world.missing.clear()
    looks(world, {"waiting": {"reason": "ErrImagePull", "message": "trainer:1: not found"}})
    writes = world.status_writes
    looks(world, {"waiting": {"reason": "ImagePullBackOff", "message": "back-off"}})
    assert (said(world)[1], world.status_writes) == ("ErrImagePull", writes), (
        "kubelet's going back and forth is no news"
    )
    world.job()["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}
    world.settle()
    assert world.status["errand"]["message"] == "ErrImagePull: trainer:1: not found", "not merely that time ran out"
    assert "tried again every minute: ErrImagePull: trainer:1: not found" in said(world)[0]
    world.later(minutes=1)
    helper_job(world, store="Mine", lastRun=7, versions=[version(1)])
    assert world.condition("Ready") == ("True", "ChampionReady")
    assert world.condition("Reconciling") == ("False", "Reconciled")
    assert "message" not in world.status["summary"]


def test_a_look_at_the_wrong_claim_makes_way() -> None:
    """Once the uri is corrected, nobody waits for the pod that can never start."""
    world = lost()
    world.missing.add("models")
    looks(world, {})
    world.edit(artifacts={"uri": "pvc://right/ropewalk"})
    world.settle()
    assert world.jobs() == ["1-errand-1", "2-errand-1"]
    assert [name.split("-", 2)[2] for name in world.deleted] == ["1-errand-1"]
    volumes = world.job()["spec"]["template"]["spec"]["volumes"]
    assert volumes[-1]["persistentVolumeClaim"] == {"claimName": "right"}


def test_an_errand_whose_word_is_lost_is_made_again() -> None:
    """Its pod was deleted between its end and the next look."""
    world = lost()
    world.job()["status"] = {"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1}
    world.settle()
    assert (
        world.status["errand"]["message"] == "PodDisappeared: the pod of Recover was deleted before its result was read"
    )
    world.later(minutes=1)
    helper_job(world, store="Mine", lastRun=7, versions=[version(1)])
    assert world.status["champion"]["version"] == 1
    assert world.deleted == [], "a Job whose container has ended is not stopped"


def test_a_look_at_the_store_that_takes_too_long_says_so() -> None:
    """The Job's deadline ends it; what its pod says of that is only that it was told to stop."""
    world = lost()
    why = {"reason": "DeadlineExceeded", "message": "Job was active longer than specified deadline"}
    world.job()["status"] = {"conditions": [{"type": "FailureTarget", "status": "True", **why}]}
    helper_job(world, 75, reason="Preempted", message="the pod was told to stop before the run had ended")
    assert world.status["errand"]["message"] == "DeadlineExceeded: Recover took longer than its deadline of 900 s"


def test_a_users_mistake_is_left_to_the_run_to_tell() -> None:
    """An uri that cannot be used fails the run with its own message."""
    world = lost()
    helper_job(world, 64, reason="InvalidSpec", message="spec.artifacts.uri")
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
    helper_job(world, store="Mine", lastRun=9, versions=[version(3)])
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
    helper_job(world, waiting=1, message="1 version waits")
    assert world.settle() == pytest.approx(86400)
    world.later(days=1)
    assert world.jobs()[-1] == "2-errand-1"
    helper_job(world, waiting=0, deletedVersions=[1])
    assert not any("errand-1-" in name for (kind, name) in world.objects if kind == "ConfigMap"), "the old one stays"
    assert world.later(days=2) is None


def test_no_sweep_beside_a_trainer() -> None:
    """A run that was given up is stopped first, and its pod has its grace time: it may still write."""
    keep = {**example("tabular")["spec"]["artifacts"], "keep": {"runs": 1, "versions": 1}}
    world = World(example("tabular", artifacts=keep, triggers={}, timeouts={"startup": "1m", "run": "1h"}))
    world.settle()
    world.succeed(1)
    world.annotate("run-requested-at", "now")
    world.settle()
    world.pod(world.running(), phase="Running")
    world.settle()
    name = f"{world.job()['metadata']['name']}-x"
    pod = world.objects["Pod", name]
    world.now += timedelta(hours=1)
    while not world.deleted:
        world.step()
        assert world.jobs() == ["1-run-1", "2-run-1"]
    world.objects["Pod", name] = pod
    assert world.settle() == 5.0
    assert world.jobs() == ["1-run-1", "2-run-1"]
    pod["status"]["phase"] = "Failed"
    world.settle()
    assert world.jobs() == ["1-run-1", "2-run-1", "1-errand-1"]


def test_versions_that_deployments_serve_or_pin_are_in_use() -> None:
    """Of every ModelDeployment that names this Pipeline."""
    world = swept(versions=2)
    pinned = {"spec": {"model": {"pipeline": "cancer", "version": 7}}, "status": {"live": {"version": 1}}}
    world.others["web"] = {"metadata": {"name": "web"}, **pinned}
    helper_job(world, waiting=1)
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
