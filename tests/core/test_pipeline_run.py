"""A run from its trigger to its champion, told by what stands in status and what was created."""

from __future__ import annotations

import json

import pytest

from ropewalk.core.conditions import timestamp

from .pipeline_world import START, World, example, published, trained


@pytest.mark.parametrize("name", ["tabular", "digits"])
def test_first_run_gives_a_champion(name: str) -> None:
    world = World(example(name))
    assert world.step() == 0.0
    assert (world.created, world.status["run"]["state"]) == ([], "Pending"), "the intent comes before the effect"
    assert world.settle() == 1.0
    assert [o["kind"] for o in world.objects.values()] == ["ConfigMap", "Job"]
    assert world.status["run"]["state"] == "Starting"
    world.pod(world.running())
    assert world.settle() == 1.0
    assert world.status["summary"]["stage"] == "Source"
    world.pod(world.ended(0, trained()), world.running())
    world.settle()
    assert world.status["summary"] == {
        "run": "1",
        "stage": "SmokeTest",
        "progress": "stage 7/7",
        "result": "Running",
        "metric": "accuracy 0.9649",
    }
    world.succeed(1)
    champion = world.status["champion"]
    assert {k: champion[k] for k in ("version", "uri", "digest", "manifestDigest", "dataFingerprint", "runId")} == {
        "version": 1,
        "uri": "pvc://models/ropewalk/demo/models/1",
        "digest": published(1)["digest"],
        "manifestDigest": published(1)["manifestDigest"],
        "dataFingerprint": trained()["dataFingerprint"],
        "runId": 1,
    }
    assert [s["name"] for s in world.status["run"]["stages"]][-1] == "SmokeTest"
    assert world.condition("Ready") == ("True", "ChampionReady")
    assert world.condition("Succeeded") == ("True", "RunSucceeded")
    assert world.condition("DataValid") == ("True", "Valid")
    assert world.condition("Blessed") == ("True", "Blessed")
    assert world.status["history"][0]["result"] == "Succeeded"
    assert world.heard() == ["RunStarted", "RunSucceeded", "Promoted"]
    assert world.jobs() == ["1-run-1"]


def test_the_frozen_plan_is_what_the_trainer_reads() -> None:
    world = World(example("tabular"))
    world.settle()
    config = next(o for (kind, _), o in world.objects.items() if kind == "ConfigMap")
    run = json.loads(config["data"]["run.json"])
    assert config["immutable"] is True
    assert (run["pipeline"], run["namespace"], run["pipelineUid"], run["runId"]) == ("cancer", "demo", "5f0c-uid", 1)
    assert run["trigger"] == {"type": "SpecChange", "reason": "first run"}
    assert run["champion"] is None
    assert run["spec"]["validate"]["rows"]["min"] == 100
    pod = world.job()["spec"]["template"]["spec"]
    train, smoke = pod["initContainers"][0], pod["containers"][0]
    assert (train["image"], train["command"]) == ("trainer:1", ["ropewalk-train", "run"])
    assert (smoke["image"], smoke["command"]) == ("server:1", ["ropewalk-serve", "smoke-test"])
    assert {m["mountPath"]: m.get("readOnly", False) for m in train["volumeMounts"]} == {
        "/ropewalk/run": True,
        "/ropewalk/work": False,
        "/tmp": False,
        "/ropewalk/claims/data": True,
        "/ropewalk/claims/models": False,
    }
    assert "/ropewalk/claims/data" not in [m["mountPath"] for m in smoke["volumeMounts"]]
    assert {"name": "ROPEWALK_ATTEMPT", "value": "1"} in train["env"]
    assert world.job()["spec"]["backoffLimit"] == 0
    assert pod["automountServiceAccountToken"] is False


def test_progress_is_shown_and_seldom_written() -> None:
    world = World(example("tabular"))
    world.settle()
    world.pod(world.running())
    world.settle()
    done = [["Source", "Succeeded", START.timestamp(), START.timestamp() + 1], ["Train", "Running", 1767323047, None]]
    before, texts = world.status_writes, set()
    for epoch in range(1, 31):
        world.progress = {
            "stage": "Train",
            "epoch": epoch,
            "epochs": 30,
            "loss": 0.5 / epoch,
            "etaSeconds": (30 - epoch) * 0.97,
            "stages": done,
        }
        assert world.later(seconds=1) == 1.0
        texts.add(world.status["summary"]["progress"])
    assert "epoch 3/30, loss 0.167, 26 s left" in texts
    assert world.status_writes - before == len(texts) == 11
    world.progress = None
    world.settle()
    assert world.status["summary"]["stage"] == "Train", "a pod that does not answer takes nothing back"


def test_metrics_that_are_equal_once_they_are_cut_are_one() -> None:
    """A trainer of the user's own may give them any names; the API server would refuse the whole status."""
    world = World(example("tabular"))
    world.settle()
    world.succeed(1, trained(metrics={"m" * 50 + "a": "1", "m" * 50 + "b": "2"}))
    assert world.status["champion"]["metrics"] == [{"name": "m" * 39 + "…", "value": "1"}]


def test_an_edit_during_a_run_waits_for_its_end() -> None:
    world = World(example("tabular"))
    world.settle()
    world.pod(world.running())
    world.settle()
    world.edit(validate={"rows": {"min": 50}})
    world.settle()
    assert (world.status["run"]["id"], world.status["run"]["generation"]) == (1, 1)
    assert world.status["observedGeneration"] == 2
    world.succeed(1)
    assert (world.status["run"]["id"], world.status["run"]["generation"]) == (2, 2)
    assert world.status["champion"]["version"] == 1
    config = [o for (kind, _), o in world.objects.items() if kind == "ConfigMap"][-1]
    run = json.loads(config["data"]["run.json"])
    assert run["spec"]["validate"]["rows"]["min"] == 50
    assert run["champion"]["version"] == 1
    assert world.condition("Blessed") == ("True", "Blessed"), "what the last run found stands while the next one runs"


def test_an_edit_before_anything_was_made_of_the_intent_is_taken_up() -> None:
    world = World(example("tabular"))
    world.step()
    world.edit(validate={"rows": {"min": 50}})
    world.settle()
    assert (world.status["run"]["id"], world.status["run"]["generation"]) == (1, 2)
    world.succeed(1)
    assert world.jobs() == ["1-run-1"]


def test_what_does_not_matter_to_a_run_starts_none() -> None:
    world = World(example("tabular"))
    world.settle()
    world.succeed(1)
    world.edit(promotion="Manual", stopAfterFailures=7)
    world.settle()
    world.edit(retry={"limit": 2}, smokeTest={"examples": 10})
    world.settle()
    assert world.jobs() == ["1-run-1"], "a default written out is no change"


def test_a_model_that_is_not_good_enough_is_no_champion() -> None:
    world = World(example("tabular"))
    world.settle()
    world.succeed(1)
    world.annotate("run-requested-at", "noon")
    world.settle()
    said = trained("NotBlessed", reasons=["accuracy 0.81 is below min 0.90"], reason="NotBlessed")
    world.succeed(0, said, {"v": 1, "outcome": "Skipped", "reason": "NotBlessed", "message": "not blessed"})
    assert world.status["champion"]["version"] == 1
    assert world.status["history"][-1]["result"] == "NotBlessed"
    assert world.status["summary"]["message"] == "accuracy 0.81 is below min 0.90"
    assert world.condition("Blessed") == ("False", "NotBlessed")
    assert world.condition("Succeeded") == ("True", "RunSucceeded")


def test_a_person_promotes_and_goes_back() -> None:
    world = World(example("tabular", promotion="Manual"))
    world.settle()
    world.succeed(1)
    assert "champion" not in world.status
    assert "ropewalk.dev/promote=1" in world.status["summary"]["message"]
    world.annotate("promote", "2")
    world.settle()
    world.settle()
    assert world.heard().count("PromotionRefused") == 1
    world.annotate("run-requested-at", "noon")
    world.settle()
    world.succeed(2)
    assert world.status["champion"]["version"] == 2, "it was asked for before it was there"
    world.annotate("promote", "1")
    world.settle()
    assert (world.status["champion"]["version"], world.status["champion"]["runId"]) == (1, 1)


def test_how_to_go_back_to_the_same_version_twice() -> None:
    world = World(example("tabular"))
    world.settle()
    world.succeed(1)
    world.annotate("run-requested-at", "noon")
    world.settle()
    world.succeed(2)
    world.annotate("promote", "1")
    world.settle()
    world.annotate("run-requested-at", "one")
    world.settle()
    world.succeed(3)
    assert world.status["champion"]["version"] == 3
    assert world.events[-1].message.endswith("kubectl annotate --overwrite pipeline cancer ropewalk.dev/promote=1@2")
    world.annotate("promote", "1@2")
    world.settle()
    assert world.status["champion"]["version"] == 1


def test_history_is_bounded_and_old_children_are_swept() -> None:
    kept = {**example("tabular")["spec"]["artifacts"], "keep": {"runs": 100, "versions": 100}}
    world = World(example("tabular", artifacts=kept))
    world.settle()
    for run in range(1, 14):
        world.succeed(run)
        assert world.status["champion"]["version"] == run
        world.annotate("run-requested-at", f"{run}")
        world.later(minutes=1)
    assert [h["id"] for h in world.status["history"]] == list(range(4, 14))
    kinds = [kind for kind, _ in world.objects if kind != "Pod"]
    assert (kinds.count("Job"), kinds.count("ConfigMap")) == (3, 3), "the last two that ended and the one in flight"
    assert len(json.dumps(world.status)) < 20_000


def test_a_namesake_that_was_deleted_leaves_nothing_to_mistake() -> None:
    world = World(example("tabular"))
    world.settle()
    world.fail(64, {"v": 1, "outcome": "Failed", "reason": "InvalidSpec", "message": "no"})
    world.owner["metadata"]["uid"] = "another-uid"
    del world.owner["status"]
    world.settle()
    assert world.status["run"]["id"] == 1
    assert len({name.split("-")[1] for name in world.created if name.startswith("rw-")}) == 2
    world.succeed(1)
    assert world.status["champion"]["version"] == 1


def test_a_lost_status_starts_over_under_new_names() -> None:
    world = World(example("tabular"))
    world.settle()
    world.succeed(1)
    del world.owner["status"]
    world.settle()
    assert world.status["run"]["id"] == 2
    assert world.jobs() == ["1-run-1", "2-run-1"]


def test_times_are_whole_seconds() -> None:
    world = World(example("tabular"))
    world.now = START.replace(microsecond=999_999)
    world.settle()
    assert world.status["run"]["startedAt"] == timestamp(START)
