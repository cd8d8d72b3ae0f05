"""What fails, what it is called, and what is tried again."""

from __future__ import annotations

from typing import Any

import pytest

from .pipeline_world import World, example, published, trained

DATA_ERROR = {
    "v": 1,
    "outcome": "Failed",
    "stage": "Validate",
    "reason": "UnknownCategory",
    "message": "plan: 3 rows have the value 'gold'",
    "stages": [["Source", "Succeeded", 1767323045, 1767323046], ["Validate", "Failed", 1767323046, 1767323047]],
    "anomalies": [{"feature": "plan", "reason": "UnknownCategory", "count": 3, "share": "0.05", "example": "gold"}],
    "log": ["reading 60 rows", "3 rows have an unknown category"],
}
TRY_AGAIN = {"v": 1, "outcome": "Failed", "stage": "Source", "reason": "StoreUnavailable", "message": "timed out"}


def started(**spec: Any) -> World:
    world = World(example("tabular", **spec))
    world.settle()
    return world


@pytest.mark.parametrize("code", [64, 65])
def test_errors_of_user_and_data_are_not_repeated(code: int) -> None:
    world = started()
    world.fail(code, DATA_ERROR)
    assert world.jobs() == ["1-run-1"]
    assert world.status["run"]["failure"] == {
        "stage": "Validate",
        "reason": "UnknownCategory",
        "message": "plan: 3 rows have the value 'gold'",
        "exitCode": code,
        "log": DATA_ERROR["log"],
    }
    assert world.status["anomalies"] == DATA_ERROR["anomalies"]
    assert world.status["history"][0]["reason"] == "UnknownCategory"
    assert world.condition("Succeeded") == ("False", "UnknownCategory")
    assert world.condition("DataValid") == (("False", "UnknownCategory") if code == 65 else None)
    assert world.condition("Ready") == ("False", "NoChampion")
    assert world.status["summary"]["stage"] == "Validate"
    assert "gold" in world.status["summary"]["message"]


def test_a_second_attempt_comes_after_a_pause_and_succeeds() -> None:
    world = started()
    pause = world.fail(75, TRY_AGAIN)
    assert pause == 30.0
    assert world.status["run"]["state"] == "Retrying"
    assert "StoreUnavailable" in world.status["summary"]["message"]
    assert world.later(seconds=29) == 1.0
    assert world.jobs() == ["1-run-1"]
    world.later(seconds=1)
    assert world.jobs() == ["1-run-1", "1-run-2"]
    assert world.status["run"]["jobs"][0]["failures"] == 1
    world.succeed(1)
    assert world.status["champion"]["version"] == 1
    assert "failure" not in world.status["run"]


def test_attempts_come_to_an_end() -> None:
    world = started()
    pauses = []
    for _ in range(3):
        pauses.append(world.fail(1, "Traceback\nValueError: boom"))
        world.later(minutes=11)
    assert pauses[:2] == [30.0, 60.0]
    assert world.jobs() == ["1-run-1", "1-run-2", "1-run-3"]
    assert world.status["run"]["state"] == "Failed"
    assert world.status["run"]["failure"]["log"] == ["Traceback", "ValueError: boom"]
    assert (world.status["run"]["failure"]["reason"], world.status["consecutiveFailures"]) == ("Crashed", 1)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (132, "train died of an instruction that the node's processor does not have (exit code 132)"),
        (134, "train gave up in native code (exit code 134)"),
        (3, "train ended with exit code 3"),
    ],
)
def test_a_code_without_a_word_is_told_in_words(code: int, words: str) -> None:
    """Nobody has to know what 128 and the number of a signal make."""
    world = started(retry={"limit": 0})
    world.fail(code, reason="Error")
    assert world.status["run"]["failure"]["message"] == words


@pytest.mark.parametrize("said", [{"reason": "OOMKilled"}, {"said": {**TRY_AGAIN, "reason": "MemoryExceeded"}}])
def test_running_out_of_memory_raises_the_limit(said: dict[str, Any]) -> None:
    world = started(
        retry={"limit": 2, "onOutOfMemory": {"factor": "1.5", "max": "3500Mi"}},
        train={"template": "Tabular", "resources": {"limits": {"memory": "2Gi"}}},
    )
    limits = []
    for _ in range(3):
        limits.append(world.job()["spec"]["template"]["spec"]["initContainers"][0]["resources"]["limits"]["memory"])
        world.fail(137, **said)
    assert limits == ["2Gi", "3072Mi", "3500Mi"]
    assert world.status["run"]["failure"]["reason"] == "OutOfMemory"
    assert world.status["run"]["jobs"][0]["memoryLimit"] == "3500Mi"


@pytest.mark.parametrize(
    ("limit", "maximum", "raised"),
    [
        (2147483648, "4Gi", "3072Mi"),
        ("2e9", 10**10, "2861Mi"),
        ("2000000000000m", "1Pi", "2861Mi"),
        ("1P", "0.001E", None),
        ("3000M", "3001M", None),
    ],
)
def test_memory_in_every_notation_of_kubernetes(limit: str | int, maximum: str | int, raised: str | None) -> None:
    """An integer, an exponent, thousandths, peta and exa; an amount that in whole Mi is no more than it was."""
    world = started(
        retry={"limit": 1, "onOutOfMemory": {"factor": "1.5", "max": maximum}},
        train={"template": "Tabular", "resources": {"limits": {"memory": limit}}},
    )
    world.fail(137, reason="OOMKilled")
    assert world.status["run"]["jobs"][0].get("memoryLimit") == raised
    container = world.job()["spec"]["template"]["spec"]["initContainers"][0]
    assert container["resources"]["limits"]["memory"] == (raised or limit)
    assert (world.status["run"]["state"] == "Failed") == (raised is None)


def test_running_out_of_memory_says_what_helps() -> None:
    world = started(retry={"limit": 0, "onOutOfMemory": {"factor": "2", "max": "2Gi"}})
    world.fail(137, reason="OOMKilled")
    assert "OutOfMemory: train exceeded its memory limit" in world.status["summary"]["message"]
    world = started(retry={"limit": 2, "onOutOfMemory": {"factor": "2", "max": "2Gi"}})
    world.fail(137, reason="OOMKilled")
    assert "the limit is 2Gi: raise spec.train.resources.limits.memory" in world.status["summary"]["message"]


def test_the_smoke_test_out_of_memory_gets_more_of_it() -> None:
    world = started(retry={"limit": 1, "onOutOfMemory": {"factor": "2", "max": "8Gi"}})
    world.pod(world.ended(0, trained()), world.ended(137, "", "OOMKilled"), "Failed")
    world.settle()
    assert world.status["run"]["failure"]["stage"] == "SmokeTest"
    pod = world.job()["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["memory"] == "4096Mi"


def test_evictions_are_free() -> None:
    world = started(retry={"limit": 0, "disruptions": 3})
    for _ in range(3):
        disrupted = [{"type": "DisruptionTarget", "status": "True"}]
        world.fail(137, conditions=disrupted, reason="Error")
    assert world.jobs() == ["1-run-1", "1-run-2", "1-run-3", "1-run-4"]
    job = world.status["run"]["jobs"][0]
    assert (job["disruptions"], job["failures"]) == (3, 0)
    world.fail(137, conditions=[{"type": "DisruptionTarget", "status": "True"}])
    assert (world.status["run"]["state"], world.status["run"]["failure"]["reason"]) == ("Failed", "Disrupted")


def test_a_result_that_was_lost_is_repeated_once() -> None:
    world = started(retry={"limit": 0})
    for _ in range(2):
        world.pod(world.running())
        world.settle()
        del world.objects["Job", world.job()["metadata"]["name"]]
        world.settle()
    assert world.jobs() == ["1-run-1", "1-run-2"]
    assert world.status["run"]["failure"]["reason"] == "JobDisappeared"
    assert world.status["run"]["state"] == "Failed"


def test_a_result_that_is_lost_again_counts_as_a_failure() -> None:
    """Only one is free; those after it have what is left of retry.limit."""
    world = started(retry={"limit": 1})
    for _ in range(3):
        world.pod(world.running())
        world.settle()
        del world.objects["Job", world.job()["metadata"]["name"]]
        world.settle()
        world.later(minutes=1)
    assert world.jobs() == ["1-run-1", "1-run-2", "1-run-3"]
    job = world.status["run"]["jobs"][0]
    assert (job["replays"], job["failures"], world.status["run"]["state"]) == (1, 1, "Failed")


@pytest.mark.parametrize("text", ["", "{", '{"v": 1}', "x" * 3000, '{"v": 2, "outcome": "Succeeded"}', "[" * 2000])
def test_a_result_that_cannot_be_read_is_a_failure(text: str) -> None:
    world = started(retry={"limit": 0})
    world.pod(world.ended(0, text), world.ended(0, published(1)), "Succeeded")
    world.settle()
    assert world.status["run"]["failure"]["reason"] == "ResultUnreadable"
    assert "champion" not in world.status


def test_an_image_that_cannot_be_pulled() -> None:
    world = started()
    why = 'Back-off pulling image "trainer:1": ErrImagePull: not found'
    world.pod({"waiting": {"reason": "ImagePullBackOff", "message": why}})
    assert world.settle() == 5.0
    assert world.status["run"]["waiting"] == "ImagePullBackOff"
    assert world.condition("Succeeded") == ("Unknown", "ImagePullBackOff")
    assert "not found" in world.status["summary"]["message"]
    before = world.status_writes
    world.pod({"waiting": {"reason": "ErrImagePull", "message": "not found"}})
    world.later(seconds=5)
    assert world.status_writes == before, "kubelet's going back and forth is not news"
    world.later(minutes=10)
    assert world.status["run"]["failure"]["reason"] == "ImagePullFailed"
    assert world.deleted == world.created[1:], "the Job that waits in vain is stopped"
    assert world.status["run"]["state"] == "Failed"


def test_no_node_and_no_claim() -> None:
    world = started()
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient cpu"}
    world.pod({}, conditions=[scheduled])
    world.settle()
    assert world.status["run"]["waiting"] == "Unschedulable"
    world.missing.add("data")
    world.settle()
    assert world.status["run"]["waiting"] == "VolumeNotFound"
    assert "PersistentVolumeClaim data does not exist" in world.status["summary"]["message"]
    world.missing.clear()
    world.pod(world.running())
    world.settle()
    assert (world.status["run"]["state"], world.status["run"].get("waiting")) == ("Running", None)


def test_a_run_that_cannot_begin_makes_way_for_an_edit_of_the_spec() -> None:
    """At once, not when its time to begin is over; it is no failure in a row of them, and one that works goes on."""
    world = started()
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient cpu"}
    world.pod({}, conditions=[scheduled])
    world.settle()
    world.edit(train={**world.owner["spec"]["train"], "seed": 99})
    world.settle()
    assert world.jobs() == ["1-run-1", "2-run-1"]
    assert world.deleted == [world.created[1]]
    assert world.status["history"][0]["reason"] == "Superseded"
    assert any("Insufficient cpu" in event.message for event in world.events)
    assert world.status["consecutiveFailures"] == 0
    world.pod(world.running())
    world.settle()
    world.edit(train={**world.owner["spec"]["train"], "seed": 100})
    world.settle()
    assert world.status["run"]["state"] == "Running"
    assert world.jobs() == ["1-run-1", "2-run-1"]


def test_a_run_that_cannot_begin_stays_where_no_other_one_would_follow() -> None:
    """Suspended, or not to follow the spec: what waits may still get its node."""
    world = started()
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient cpu"}
    world.pod({}, conditions=[scheduled])
    world.settle()
    world.edit(suspend=True, train={**world.owner["spec"]["train"], "seed": 99})
    world.settle()
    assert world.status["run"]["waiting"] == "Unschedulable"
    assert world.jobs() == ["1-run-1"]


def test_a_pod_that_is_refused() -> None:
    """By a quota, a LimitRange or admission: the Job is there, its pod never comes; only the Job's Events say why."""
    world = started(timeouts={"startup": "1m", "run": "1h"})
    assert world.later(seconds=5) == 1.0
    assert "waiting" not in world.status["run"], "a pod takes a moment"
    assert world.later(seconds=1) == 5.0
    assert world.condition("Succeeded") == ("Unknown", "PodNotCreated")
    name = world.job()["metadata"]["name"]
    assert f"`kubectl describe job {name}` says what" in world.status["summary"]["message"]
    world.pod(world.running())
    world.settle()
    assert (world.status["run"]["state"], "message" in world.status["summary"]) == ("Running", False)


def test_a_pod_that_is_refused_for_good() -> None:
    """Another attempt would be refused as well; the run ends with the cause."""
    world = started(timeouts={"startup": "1m", "run": "1h"})
    world.later(minutes=1)
    assert world.condition("Succeeded") == ("False", "PodNotCreated")
    assert (world.jobs(), len(world.deleted)) == (["1-run-1"], 1)


def test_a_pod_that_is_gone_was_not_refused() -> None:
    """The Job has counted it as failed and says so itself in a moment, however late that is."""
    world = started(timeouts={"startup": "1m", "run": "1h"})
    world.pod(world.running())
    world.settle()
    del world.objects["Pod", f"{world.job()['metadata']['name']}-x"]
    world.job()["status"] = {"failed": 1}
    assert world.later(minutes=10) == 1.0
    assert (world.status["run"]["attempt"], "waiting" in world.status["run"]) == (1, False)


def test_a_pod_that_never_starts_is_tried_again() -> None:
    world = started(retry={"limit": 1, "backoff": "5s", "maxBackoff": "10s"}, timeouts={"startup": "1m", "run": "1h"})
    world.pod({"waiting": {"reason": "PodInitializing"}})
    assert world.settle() == 1.0
    assert world.later(minutes=1) == 5.0
    assert len(world.deleted) == 1
    world.later(seconds=5)
    assert world.jobs() == ["1-run-1", "1-run-2"]
    world.pod({"waiting": {"reason": "PodInitializing"}})
    world.later(minutes=1)
    assert world.status["run"]["failure"]["reason"] == "StartupTimedOut"
    assert world.status["run"]["state"] == "Failed"


def test_a_run_that_takes_too_long_is_stopped() -> None:
    world = started(timeouts={"startup": "1m", "run": "1h"})
    world.later(seconds=50)
    world.pod(world.running())
    world.settle()
    world.later(minutes=59, seconds=59)
    assert world.status["run"]["state"] == "Running"
    world.later(seconds=1)
    assert world.status["run"]["failure"]["reason"] == "TimedOut"
    assert len(world.deleted) == 1
    assert world.status["run"]["stages"][0] == {"name": "Source", "state": "Failed"}


def test_a_smoke_test_that_fails() -> None:
    world = started()
    said = {"v": 1, "outcome": "Failed", "reason": "EnginesDisagree", "message": "OpenVINO differs on row 3"}
    said |= {"log": ["OpenVINO refused"]}
    world.pod(world.ended(0, trained()), world.ended(65, said), "Failed")
    world.settle()
    failure = world.status["run"]["failure"]
    assert (failure["stage"], failure["reason"]) == ("SmokeTest", "EnginesDisagree")
    assert failure["log"] == ["OpenVINO refused"]
    assert "champion" not in world.status
    assert world.status["summary"]["metric"] == "accuracy 0.9649"


def test_kubelet_keeps_the_last_lines_of_what_cannot_speak() -> None:
    """And the trainer is told its image, which stands in what a model was made from."""
    pod = started(train={"template": "Tabular", "image": "team/trainer:3"}).job()["spec"]["template"]["spec"]
    containers = [*pod["initContainers"], *pod["containers"]]
    assert {one["terminationMessagePolicy"] for one in containers} == {"FallbackToLogsOnError"}
    assert {"name": "ROPEWALK_IMAGE", "value": "team/trainer:3"} in pod["initContainers"][0]["env"]


def test_many_failures_halt_until_a_person_acts() -> None:
    world = started(stopAfterFailures=2, triggers={"schedule": {"cron": "*/5 * * * *"}})
    world.fail(64)
    world.later(minutes=5)
    assert world.jobs() == ["1-run-1", "2-run-1"]
    world.fail(64)
    assert world.condition("Halted") == ("True", "TooManyFailures")
    halted = next(c["message"] for c in world.status["conditions"] if c["type"] == "Halted")
    assert halted.startswith("2 runs in a row have failed; a change of the spec or a person starts another: kubectl ")
    assert world.status["summary"]["message"].startswith(f"halted: {halted}")
    delay = world.later(minutes=30)
    assert delay
    assert world.jobs() == ["1-run-1", "2-run-1"]
    world.annotate("run-requested-at", "now")
    world.settle()
    world.succeed(1)
    assert world.condition("Halted") is None
    assert world.status["consecutiveFailures"] == 0


def test_a_spec_that_cannot_be_read_is_said_once() -> None:
    world = started()
    world.edit(retry={"limit": -1})
    assert world.settle() is None
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert "spec.retry.limit" in world.status["summary"]["message"]
    world.edit(retry={"limit": 1})
    world.settle()
    assert world.condition("Stalled") is None
    world.succeed(1)
    assert world.status["champion"]["version"] == 1


def test_names_that_differ_in_case_only_start_nothing() -> None:
    """The schema cannot say it; a run would find it after the data has been read."""
    world = World(example("tabular"))
    schema = world.owner["spec"]["schema"]
    twin = {**schema["features"][0], "name": "Mean_Radius"}
    world.edit(schema={**schema, "features": [*schema["features"], twin]})
    world.settle()
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert "'mean_radius' and 'Mean_Radius' differ in upper and lower case only" in world.status["summary"]["message"]
    assert world.jobs() == []
    world.edit(schema=schema)
    world.settle()
    assert (world.jobs(), world.condition("Stalled")) == (["1-run-1"], None)


NEEDS = {"v": 1, "outcome": "Failed", "reason": "NeedsTensorFlow", "message": "no compiled engine takes it"}


def test_a_model_that_only_tensorflow_takes_is_smoke_tested_with_it() -> None:
    """Another attempt that costs nothing, in the server's other image; what was trained is not trained again."""
    world = World(example("tabular", retry={"limit": 0}))
    world.settle()
    world.pod(world.ended(0, trained()), world.ended(3, NEEDS), "Failed")
    world.settle()
    containers = world.job()["spec"]["template"]["spec"]["containers"]
    assert (world.jobs(), containers[0]["image"]) == (["1-run-1", "1-run-2"], "server-tf:1")
    assert world.status["run"]["jobs"][0]["engine"] == "TensorFlow"
    world.succeed(1, smoke={**published(1), "engines": ["TensorFlow"]})
    assert world.status["champion"]["engines"] == ["TensorFlow"]


def test_that_attempt_is_made_once() -> None:
    """An image that calls itself the other one and is not must not be tried for ever."""
    world = World(example("tabular", retry={"limit": 0}))
    world.settle()
    for _ in range(2):
        world.pod(world.ended(0, trained()), world.ended(3, NEEDS), "Failed")
        world.settle()
    assert (world.jobs(), world.status["run"]["state"]) == (["1-run-1", "1-run-2"], "Failed")
