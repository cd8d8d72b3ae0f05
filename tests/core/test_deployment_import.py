"""A SavedModel without a manifest: imported by a Job, then served; what goes wrong is told and tried again, or not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ropewalk.core.conditions import timestamp
from tests.core.deployment_world import World
from tests.core.import_world import COPY, DIGEST, MADE, PATH, REFUSED, URI, end, jobs, pod_of, until_job, world


def test_a_saved_model_is_imported_and_then_served_under_its_number() -> None:
    """Status says what happens; the servers load the version that the Job made."""
    found = world()
    job = until_job(found)
    assert found.condition("Reconciling")["reason"] == "Importing"
    assert found.condition("Ready") | {"status": "False", "reason": "Importing"} == found.condition("Ready")
    assert found.status["summary"]["message"] == f"Importing: {URI} is being imported"
    assert found.condition("Available")["message"] == f"0 of 1 pods answer: {URI} is being imported"
    config = next(
        one for (kind, name), one in found.objects.items() if name == job["metadata"]["name"] and kind != "Job"
    )
    task = json.loads(config["data"]["errand.json"])
    assert task == {"formatVersion": 1, "type": "Import", "uri": URI, "digest": DIGEST, "number": 3}
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["command"]) == ("trainer:1", ["ropewalk-train", "errand"])
    end(found, MADE, 0)
    found.settle()
    live = found.status["live"]
    assert (live["version"], live["uri"], live["manifestDigest"]) == (3, COPY, MADE["manifestDigest"])
    assert "servedAs" not in live
    assert found.condition("Ready")["status"] == "True"
    assert found.status["imported"]["version"]["uri"] == COPY
    assert found.status["imported"]["digest"] == DIGEST
    assert "lastFailure" not in found.status
    assert [event.reason for event in found.events if event.reason == "Imported"] == ["Imported"]
    assert len(jobs(found)) == 1


def test_a_version_with_a_manifest_is_served_without_a_job() -> None:
    """Nothing is imported that servers take as it is."""
    found = World(model={"uri": URI, "digest": DIGEST})
    found.settle()
    assert found.status["live"]["uri"] == URI
    assert "imported" not in found.status
    assert jobs(found) == []


def test_what_is_refused_for_good_stalls_until_the_spec_changes() -> None:
    """With the Job's own reason; an edit is another try."""
    found = world()
    until_job(found)
    end(found, REFUSED, 64)
    found.settle()
    for kind, status in (("Ready", "False"), ("Stalled", "True"), ("Reconciling", "False")):
        condition = found.condition(kind)
        assert (condition["status"], condition["reason"]) == (status, "ForbiddenOp"), condition
    assert "ReadFile" in found.condition("Stalled")["message"]
    assert found.status["lastFailure"]["reason"] == "ForbiddenOp"
    assert found.status["lastFailure"]["location"] == "Import"
    told = [(event.reason, event.message) for event in found.events if event.type == "Warning"]
    assert told == [("ForbiddenOp", REFUSED["message"])], "one failure, one Event"
    found.now += timedelta(hours=1)
    found.settle()
    assert len(jobs(found)) == 1
    found.objects = {key: one for key, one in found.objects.items() if key[0] != "Pod"}
    found.owner["metadata"]["generation"] = 2
    found.settle()
    assert found.status["imported"]["id"] == 2
    assert found.status["imported"]["state"] == "Running"
    assert len(jobs(found)) == 1, "the former Job is gone"


def test_what_may_pass_is_tried_again_after_a_minute() -> None:
    """A store that was not there, a pod that was deleted."""
    found = world()
    until_job(found)
    full = {**REFUSED, "reason": "StoreUnavailable", "message": "the store is full"}
    end(found, full, 75)
    found.settle()
    assert found.condition("Ready")["reason"] == "StoreUnavailable"
    assert found.condition("Stalled") == {}
    assert found.condition("Reconciling")["status"] == "True"
    assert found.status["imported"]["state"] == "Failed"
    found.now += timedelta(seconds=60)
    found.settle()
    assert (found.status["imported"]["id"], found.status["imported"]["state"]) == (2, "Running")
    end(found, full, 75)
    found.settle()
    assert [event.reason for event in found.events if event.type == "Warning"] == ["StoreUnavailable"] * 2
    found.now += timedelta(seconds=60)
    found.settle()
    end(found, MADE, 0)
    found.settle()
    assert found.status["live"]["uri"] == COPY


def test_memory_is_told_with_its_remedy() -> None:
    """The limit is that of the servers, where it is above the import's own."""
    found = world(serving={"resources": {"limits": {"memory": "6Gi"}}})
    job = until_job(found)
    assert job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"memory": "6Gi"}
    end(found, "", 137, "OOMKilled")
    found.settle()
    assert found.condition("Stalled")["reason"] == "OutOfMemory"
    assert "spec.serving.resources.limits.memory" in found.condition("Stalled")["message"]


STOPPED = {**REFUSED, "reason": "Preempted", "message": "the pod was told to stop before the run had ended"}


@pytest.mark.parametrize("said", [("", 143), (STOPPED, 75), ("I0000 tensorflow: still at it", 137)])
@pytest.mark.parametrize("known_by", ["Job", "Job alone", "pod"])
def test_an_import_that_is_ended_by_its_deadline_says_so(known_by: str, said: tuple[Any, int]) -> None:
    """Whatever its pod could still say, and though the pod's end may be seen before the Job tells why."""
    found = world()
    job = until_job(found)
    job["metadata"]["creationTimestamp"] = timestamp(found.now)
    found.now += timedelta(minutes=30, seconds=1)
    end(found, *said)
    if known_by == "Job alone":
        found.objects = {key: one for key, one in found.objects.items() if key[0] != "Pod"}
    if known_by != "pod":
        why = {"reason": "DeadlineExceeded", "message": "Job was active longer than specified deadline"}
        job["status"] = {
            "conditions": [{"type": kind, "status": "True", **why} for kind in ("FailureTarget", "Failed")]
        }
    else:
        pod = found.objects["Pod", f"{job['metadata']['name']}-x"]
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = timestamp(found.now)
    found.settle()
    failure = found.status["lastFailure"]
    assert failure["reason"] == "DeadlineExceeded"
    assert failure["message"].startswith(
        "the import took longer than its deadline of 1800 s: it needs a faster node (spec.serving.nodeSelector)"
    )
    assert "exit code" not in failure["message"]
    assert failure["message"].endswith("; it is tried again after 60 s")


@pytest.mark.parametrize(
    ("code", "log", "reason", "words"),
    [
        (143, "", "Crashed", "the import was told to stop before it had ended (exit code 143)"),
        (139, "a\nb", "Crashed", "the import died of a fault in native code (exit code 139): a b"),
        (1, "Traceback", "Crashed", "the import ended with exit code 1: Traceback"),
        (0, "nonsense", "ResultUnreadable", "the import ended with 0 but left no readable result"),
    ],
)
def test_an_import_that_has_no_word_for_its_end_is_told_by_how_it_ended(
    code: int, log: str, reason: str, words: str
) -> None:
    """In words: kubelet knows a number and `Error`."""
    found = world()
    until_job(found)
    end(found, log, code, "Error" if code else "Completed")
    found.settle()
    failure = found.status["lastFailure"]
    assert (failure["reason"], failure["message"]) == (reason, f"{words}; it is tried again after 60 s")


@pytest.mark.parametrize(
    "said",
    [
        "", "nonsense", json.dumps({**MADE, "uri": "pvc://models/../etc/3"}), json.dumps({**MADE, "uri": 3}),
        json.dumps({**MADE, "manifestDigest": ""}), json.dumps({**MADE, "uri": COPY + "x"}),
    ],
)  # fmt: skip
def test_a_job_is_a_stranger(said: str) -> None:
    """Success needs a place and both digests."""
    found = world()
    until_job(found)
    end(found, said, 0)
    found.settle()
    assert found.status["imported"]["state"] == "Failed"
    assert "live" not in found.status


def test_a_pod_that_cannot_start_is_told() -> None:
    """kubelet's word for it."""
    found = world()
    job = until_job(found)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    body = pod_of(job, waiting, "Pending")
    found.objects["Pod", body["metadata"]["name"]] = body
    found.settle()
    assert found.status["imported"]["waiting"] == "ImagePullBackOff"
    assert "ImagePullBackOff: no such image" in found.condition("Reconciling")["message"]


@pytest.mark.parametrize("amended", ["spec", "operator"])
def test_an_import_that_cannot_start_makes_way_for_one_that_may(amended: str) -> None:
    """Nobody waits half an hour for a pod that the edit, or an operator with another image, was to help."""
    found = world()
    job = until_job(found)
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "taints"}
    body = pod_of(job, {}, "Pending")
    body["status"]["conditions"] = [unschedulable]
    found.objects["Pod", body["metadata"]["name"]] = body
    found.settle()
    assert (found.status["imported"]["id"], found.status["imported"]["waiting"]) == (1, "Unschedulable")
    toleration = {"key": "models", "operator": "Exists"}
    if amended == "spec":
        found.owner["spec"]["serving"] = {"tolerations": [toleration]}
        found.owner["metadata"]["generation"] = 2
    else:
        found.config = replace(found.config, trainer_image="trainer:2")
    found.settle()
    assert (found.status["imported"]["id"], len(jobs(found))) == (2, 1)
    pod = jobs(found)[0]["spec"]["template"]["spec"]
    assert pod["tolerations"] == [toleration] if amended == "spec" else pod["containers"][0]["image"] == "trainer:2"
    end(found, MADE, 0)
    found.settle()
    assert found.status["live"]["uri"] == COPY


def test_an_import_that_works_is_left_to_it() -> None:
    """What is edited meanwhile is for the next one."""
    found = world()
    body = pod_of(until_job(found), {"running": {}})
    found.objects["Pod", body["metadata"]["name"]] = body
    found.owner["spec"]["serving"] = {"nodeSelector": {"disk": "ssd"}}
    found.owner["metadata"]["generation"] = 2
    found.settle()
    assert found.status["imported"]["id"] == 1


def test_what_serves_goes_on_serving_while_another_model_is_imported() -> None:
    """And after its import has failed."""
    found = World()
    found.on_new_server = lambda server: server.faults.update({PATH: "NotImported"})
    found.settle()
    assert found.status["live"]["version"] == 1
    found.owner["spec"]["model"] = {"uri": URI, "digest": DIGEST}
    found.owner["metadata"]["generation"] = 2
    until_job(found)
    assert found.condition("Ready")["status"] == "True"
    assert found.condition("Reconciling")["reason"] == "Importing"
    end(found, REFUSED, 64)
    found.settle()
    assert found.status["live"]["version"] == 1
    assert (found.condition("Ready")["status"], found.condition("Stalled")["reason"]) == ("True", "ForbiddenOp")
    assert set(found.lives) - {None} == {1}
    assert "candidate" not in found.status
    assert [one["uri"] for one in found.status["routes"]["versions"]] == [found.status["live"]["uri"]]
    found.objects = {key: one for key, one in found.objects.items() if key[0] != "Pod"}
    found.owner["metadata"]["generation"] = 3
    found.settle()
    end(found, MADE, 0)
    found.settle()
    assert found.status["live"]["uri"] == COPY
    assert [entry["result"] for entry in found.status["history"]] == ["Live", "Replaced", "Live"]


def test_a_pod_that_lingers_does_not_answer_for_the_next_import() -> None:
    """Its Job is deleted with the edit, it some time later; until then it still says why it failed."""
    found = World()
    found.on_new_server = lambda server: server.faults.update({PATH: "NotImported"})
    found.settle()
    found.owner["spec"]["model"] = {"uri": URI, "digest": DIGEST}
    found.owner["metadata"]["generation"] = 2
    until_job(found)
    end(found, "", 137, "OOMKilled")
    found.settle()
    assert found.condition("Stalled")["reason"] == "OutOfMemory"
    found.owner["spec"]["serving"] = {"resources": {"limits": {"memory": "6Gi"}}}
    found.owner["metadata"]["generation"] = 3
    found.settle()
    assert found.status["imported"]["state"] == "Running"
    assert [job["metadata"]["labels"]["ropewalk.dev/errand"] for job in jobs(found)] == ["2"]


def test_another_model_is_another_import() -> None:
    """The former one's Job is removed, and its result is not taken for the new one's."""
    found = world()
    first = until_job(found)["metadata"]["name"]
    other = {"uri": "pvc://models/imported/4", "digest": "sha256:" + "d" * 64}
    for server in found.servers:
        server.faults["/ropewalk/claims/models/imported/4"] = "NotImported"
    found.owner["spec"]["model"] = other
    found.owner["metadata"]["generation"] = 2
    found.settle()
    assert [job["metadata"]["name"] == first for job in jobs(found)] == [False]
    assert (found.status["imported"]["id"], found.status["imported"]["uri"]) == (1, other["uri"])
    found.owner["spec"]["model"] = {"pipeline": "cancer"}
    found.owner["metadata"]["generation"] = 3
    found.settle()
    assert jobs(found) == []
    assert "imported" not in found.status
    assert found.status["live"]["version"] == 1


def test_a_model_for_tensorflow_alone_gets_servers_that_have_it() -> None:
    """The Job says which engines it was proved on."""
    found = world()
    until_job(found)
    end(found, {**MADE, "engines": ["TensorFlow"]}, 0)
    found.settle()
    assert {server.image for server in found.servers} == {"server-tf:1"}
    assert found.status["live"]["uri"] == COPY


def test_a_version_that_somebody_removed_is_made_again() -> None:
    """A pod that starts later does not find it."""
    found = world()
    until_job(found)
    end(found, MADE, 0)
    found.settle()
    path = "/ropewalk/claims/" + COPY.removeprefix("pvc://")
    found.servers.clear()
    found.on_new_server = lambda server: server.faults.update({path: "ModelNotFound"})
    found.now += timedelta(minutes=5)
    found.objects = {key: one for key, one in found.objects.items() if key[0] != "Pod"}
    found.settle()
    assert (found.status["imported"]["id"], found.status["imported"]["state"]) == (2, "Running")
    for server in found.servers:
        server.faults.clear()
    end(found, MADE, 0)
    found.settle()
    assert found.condition("Ready")["status"] == "True"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, 16))
def test_a_crash_at_any_write_leaves_one_import(write: int, after: bool) -> None:
    """Intent first, then the Job under a name that follows from it."""
    found = world(crash_at=write, crash_after=after)
    until_job(found)
    names = {job["metadata"]["name"] for job in jobs(found)}
    found.settle()
    end(found, MADE, 0)
    found.settle()
    assert {job["metadata"]["name"] for job in jobs(found)} == names
    assert found.status["live"]["uri"] == COPY


def selected(spec: dict[str, Any], *place: str) -> dict[str, str]:
    """The labels that a selector there asks for."""
    found: Any = spec
    for key in place:
        found = found[key]
    return dict(found)


def test_nothing_that_selects_servers_selects_an_imports_pod() -> None:
    """Not the Service, nor the Deployment, by whose selector an autoscaler counts pods: idle ones that are no servers.

    Nor the one that `kubectl autoscale modeldeployment` goes by.
    """
    found = world(autoscaling={"minReplicas": 1, "maxReplicas": 3})
    labels = until_job(found)["spec"]["template"]["metadata"]["labels"]
    servers = found.objects["Deployment", "cancer-server"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        selected(found.objects["Service", "cancer"], "spec", "selector"),
        selected(found.objects["PodDisruptionBudget", "cancer-server"], "spec", "selector", "matchLabels"),
        selected(found.objects["Deployment", "cancer-server"], "spec", "selector", "matchLabels"),
        selected(found.objects["NetworkPolicy", "cancer-server"], "spec", "podSelector", "matchLabels"),
        dict([found.status["selector"].split("=")]),
    ]
    for selector in selectors:
        assert selector.items() <= servers.items()
        assert not selector.items() <= labels.items()
    assert labels["app.kubernetes.io/managed-by"] == "ropewalk", "the admission policy lets the operator touch it"


def test_an_imports_pod_reaches_nothing() -> None:
    """Not even the API server, where servers ask that one whom to answer."""
    found = world(
        serving={"authentication": {"type": "Kubernetes"}}, serviceAccountName="asks", autoscaling={"maxReplicas": 3}
    )
    labels = until_job(found)["spec"]["template"]["metadata"]["labels"]
    policy = found.objects["NetworkPolicy", "cancer-import"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert (policy["policyTypes"], policy["ingress"], policy["egress"]) == (["Ingress", "Egress"], [], [])
    servers = found.objects["Deployment", "cancer-server"]["spec"]["template"]["metadata"]["labels"]
    assert not policy["podSelector"]["matchLabels"].items() <= servers.items()


def test_an_import_on_a_claim_of_one_node_goes_where_servers_are_or_where_there_is_none() -> None:
    """Its own labels are among those that it may be near to: a pod that selects itself is the first anywhere."""
    pod = until_job(world())["spec"]["template"]
    (term,) = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (near,) = term["labelSelector"]["matchExpressions"]
    assert near == {"key": "ropewalk.dev/modeldeployment", "operator": "In", "values": ["cancer", "cancer.errand"]}
    assert pod["metadata"]["labels"]["ropewalk.dev/modeldeployment"] == "cancer.errand"
