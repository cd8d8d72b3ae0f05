"""What goes wrong around the servers is told as what it is, in the words of whoever found it out."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

from ropewalk.core.conditions import timestamp
from ropewalk.core.deployment import Case
from ropewalk.core.deployment import spec as specs
from ropewalk.core.plan import Observed
from tests.core.deployment_world import CONFIG, START, World, champion, serving

UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: cpu"}
CRASHED = {"exitCode": 3, "reason": "Error", "message": "bad routes"}
KILLED = {"exitCode": 137, "reason": "OOMKilled"}


def troubled(waiting: dict[str, Any] | None, **extra: Any) -> World:
    """A world whose pods never run."""
    world = World()

    def trouble(server: Any) -> None:
        server.waiting, server.extra = waiting or {"reason": "ContainerCreating"}, extra

    world.on_new_server = trouble
    world.settle()
    return world


def ended(**how: Any) -> dict[str, Any]:
    """kubelet's word on a container between two starts."""
    status = {"name": "server", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "ready": False}
    return {"containerStatuses": [{**status, "lastState": {"terminated": how}}]}


@pytest.mark.parametrize(
    ("waiting", "extra", "reason", "word"),
    [
        ({"reason": "ErrImagePull", "message": "no such image a:1"}, {}, "ImagePullFailed", "no such image a:1"),
        ({"reason": "InvalidImageName", "message": "couldn't parse"}, {}, "ImagePullFailed", "couldn't parse"),
        ({"reason": "CreateContainerConfigError", "message": "secret"}, {}, "ContainerCreateFailed", "secret"),
        (None, {"conditions": [UNSCHEDULABLE], "containerStatuses": []}, "Unschedulable", "0/1 nodes: cpu"),
        (None, ended(**CRASHED), "Crashed", "exit code 3: bad routes"),
        (None, ended(exitCode=139, reason="Error"), "Crashed", "died of a fault in native code (exit code 139)"),
        (None, ended(exitCode=137, reason="Error"), "Crashed", "was killed: its node was out of memory"),
        (None, ended(reason="ContainerStatusUnknown"), "Crashed", "the server ended without an exit code"),
        (None, ended(**KILLED), "OutOfMemory", "raise spec.serving.resources.limits.memory"),
    ],
)
def test_a_pod_that_does_not_run_is_told_with_reason_and_message(
    waiting: Any, extra: dict[str, Any], reason: str, word: str
) -> None:
    """In Ready, in lastFailure, in the column MESSAGE, and as one Event."""
    world = troubled(waiting, **extra)
    assert (world.condition("Ready")["status"], world.condition("Ready")["reason"]) == ("False", reason)
    assert word in world.status["lastFailure"]["message"]
    assert word in world.status["summary"]["message"]
    assert [event.reason for event in world.events] == [reason]
    before = world.writes
    for _ in range(20):
        world.step()
        world.now += timedelta(seconds=15)
    assert world.writes == before, "a trouble that stays is written once"


def test_an_exit_code_is_kept() -> None:
    """As a number, for scripts."""
    assert troubled(None, **ended(**CRASHED)).status["lastFailure"]["exitCode"] == 3


def test_pauses_between_pulls_do_not_alternate_with_the_cause() -> None:
    """kubelet goes back and forth between ErrImagePull and ImagePullBackOff for ever; status does not."""
    world = troubled({"reason": "ErrImagePull", "message": "no such image a:1"})
    before = world.status
    world.servers[0].waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    world.settle()
    assert world.status == before


def test_a_missing_claim_and_one_of_the_wrong_kind_are_named() -> None:
    """Before any pod says so."""
    world = World()
    world.claim = None
    world.on_new_server = lambda server: setattr(server, "waiting", {"reason": "ContainerCreating"})
    world.settle()
    assert world.condition("Ready")["reason"] == "ClaimNotFound"
    world.claim = {"spec": {"accessModes": ["ReadWriteOncePod"]}}
    world.settle()
    assert world.condition("Ready")["reason"] == "ClaimReadWriteOncePod"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('pods "x" is forbidden: exceeded quota: small, used: pods=1', "QuotaExceeded"),
        ('pods "x" is forbidden: error looking up service account demo/nobody', "AdmissionDenied"),
    ],
)
def test_pods_that_cannot_be_created_are_told(message: str, reason: str) -> None:
    """No pod is there to tell; the Deployment does."""
    world = World(replicas=1)
    world.settle()
    world.servers.clear()
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    world.objects["Deployment", "cancer-server"]["status"] = {"conditions": [condition]}
    world.step_without_servers()
    assert world.condition("Ready")["reason"] == reason
    assert world.status["lastFailure"]["location"] == "Deployment"
    assert message in world.status["lastFailure"]["message"]


def test_a_pod_that_will_not_load_what_is_live_is_told_while_the_others_serve() -> None:
    """Ready with fewer pods than asked for is no silence."""
    world = serving(replicas=1)
    world.on_new_server = lambda server: server.broken.add(1)
    world.owner["spec"]["replicas"] = 2
    world.owner["metadata"]["generation"] += 1
    world.settle()
    assert world.condition("Ready")["status"] == "True"
    assert world.status["summary"]["ready"] == "1/2"
    assert "TamperedModel" in world.status["summary"]["message"]
    assert world.status["live"]["version"] == 1


def test_a_version_on_another_claim_waits_for_pods_that_mount_it() -> None:
    """It is no fault of a version that old pods cannot see it."""
    world = serving(replicas=2)
    assert world.pipeline is not None
    other = {**champion(2), "uri": "pvc://elsewhere/demo/cancer/models/2"}
    world.pipeline["status"]["champion"] = other
    world.lives.clear()
    world.settle(passes=80)
    assert world.status["live"]["uri"] == other["uri"]
    assert "lastFailure" not in world.status
    assert {server.claims for server in world.servers} == {frozenset({"elsewhere"})}


def test_an_edit_that_is_taken_back_takes_its_pod_back_at_once() -> None:
    """Nothing was told to any server yet, so nothing but the pass itself remembers that a pod waits in vain."""
    world = serving(replicas=2)
    assert world.pipeline is not None
    world.on_new_server = lambda server: setattr(server, "waiting", {"reason": "ContainerCreating"})
    before, unscathed = world.pipeline["status"]["champion"], list(world.servers)
    world.pipeline["status"]["champion"] = {**champion(2), "uri": "pvc://nowhere/demo/cancer/models/2"}
    world.settle()
    assert len(world.servers) == 3
    world.pipeline["status"]["champion"] = before
    world.settle()
    deployment = world.objects["Deployment", "cancer-server"]
    assert "nowhere" not in json.dumps(deployment["spec"])
    assert unscathed == [server for server in world.servers if server.ready]


def test_the_number_of_pods_is_handed_to_an_autoscaler_without_a_dip() -> None:
    """A second manager takes the number as it stands, then ours gives it up: whatever it becomes is left alone."""
    world = serving(replicas=3)
    world.owner["spec"]["autoscaling"] = {"minReplicas": 2, "maxReplicas": 5}
    world.owner["metadata"]["generation"] += 1
    world.settle()
    deployment = world.objects["Deployment", "cancer-server"]
    assert deployment["spec"]["replicas"] == 3
    assert [one["manager"] for one in deployment["metadata"]["managedFields"]] == ["ropewalk-handover"]
    deployment["spec"]["replicas"] = 4
    deployment["metadata"]["managedFields"] = [{"manager": "kube-controller-manager", "operation": "Update"}]
    world.settle()
    assert world.objects["Deployment", "cancer-server"]["spec"]["replicas"] == 4
    assert world.status["summary"]["ready"] == "4/4"


@pytest.mark.parametrize("served", [False, True])
def test_what_has_no_pods_is_not_reconciling(served: bool) -> None:
    """A version that came meanwhile waits for a person, for as long as it may take."""
    world = serving() if served else World(replicas=0)
    world.owner["spec"]["replicas"] = 0
    world.owner["metadata"]["generation"] += 1
    world.settle()
    assert world.pipeline is not None
    world.pipeline["status"]["champion"] = champion(2)
    world.settle()
    assert world.condition("Ready")["reason"] == "ScaledToZero"
    assert world.condition("Reconciling")["status"] == "False"
    available = {"status": "False", "reason": "ScaledToZero", "message": "spec.replicas is 0"}
    assert available.items() <= world.condition("Available").items()
    world.owner["spec"]["replicas"] = 1
    world.owner["metadata"]["generation"] += 1
    world.settle()
    assert world.status["live"]["version"] == 2
    assert "candidate" not in world.status


def test_pods_that_leave_are_not_told_as_a_share_of_none() -> None:
    """They answer for some seconds after the last one was asked for."""
    world = serving()
    world.owner["spec"]["replicas"] = 0
    world.owner["metadata"]["generation"] += 1
    world.step_without_servers()
    assert world.condition("Ready")["message"] == "version 1 answers in 1 pod, 0 asked for"
    assert world.condition("Available")["message"] == "spec.replicas is 0"


def test_what_is_waited_for_where_no_pod_answers_is_told_in_available_too() -> None:
    """`0 of 1 pods answer` alone sends people to look at pods."""
    world = World()
    assert world.pipeline is not None
    world.pipeline["status"] = {}
    world.settle()
    waits = "no pod exists, of 1 asked for: pipeline cancer has no champion yet"
    assert world.condition("Available")["message"] == waits
    world = troubled(None, conditions=[UNSCHEDULABLE], containerStatuses=[])
    assert world.condition("Available")["message"].startswith("0 of 1 pods answer: pod cancer-server-abc-0: 0/1 nodes")


def test_somebody_who_scales_an_autoscaled_deployment_to_zero_is_told_how_to_go_on() -> None:
    """The number is not in the spec then."""
    world = serving(autoscaling={"minReplicas": 1, "maxReplicas": 3})
    deployment = world.objects["Deployment", "cancer-server"]
    deployment["spec"]["replicas"] = 0
    deployment["metadata"]["managedFields"] = [{"manager": "kubectl", "operation": "Update"}]
    world.settle()
    text = "Deployment cancer-server is scaled to 0, where its autoscaler leaves it: scale it up once"
    assert world.condition("Available")["message"] == world.condition("Ready")["message"] == text


def test_an_autoscaler_that_follows_no_pods_at_all_begins_with_its_fewest() -> None:
    """It leaves a number of 0 alone, for ever."""
    world = World(replicas=0)
    world.settle()
    world.owner["spec"]["autoscaling"] = {"minReplicas": 2, "maxReplicas": 5}
    world.owner["metadata"]["generation"] += 1
    world.settle()
    assert world.objects["Deployment", "cancer-server"]["spec"]["replicas"] == 2
    assert world.status["summary"]["ready"] == "2/2"


def test_an_autoscaler_without_metrics_is_told() -> None:
    """After the minute in which the first ones come."""
    world = World(autoscaling={"minReplicas": 1, "maxReplicas": 3})
    world.settle()
    condition = {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}
    since = {"lastTransitionTime": timestamp(world.now)}
    world.objects["HorizontalPodAutoscaler", "cancer-server"]["status"] = {"conditions": [condition | since]}
    world.settle()
    assert "message" not in world.status["summary"]
    world.now += timedelta(minutes=1)
    world.settle()
    assert world.status["summary"]["message"].startswith("NotScaling: the autoscaler cancer-server does not work")
    assert "metrics server" in world.condition("Available")["message"]
    assert world.condition("Ready")["status"] == "True"


def test_a_status_older_than_the_routes_is_overtaken() -> None:
    """Servers ignore a lower revision, so the next one is above all that they may have heard."""
    world = serving()
    old = copy.deepcopy(world.owner["status"])
    assert world.pipeline is not None
    for version in (2, 3):
        world.pipeline["status"]["champion"] = champion(version)
        world.settle()
    heard = world.status["routes"]["revision"]
    world.owner["status"] = old
    world.settle()
    assert world.status["routes"]["revision"] > heard
    assert world.status["live"]["version"] == 3
    del world.owner["status"]
    world.settle()
    assert world.status["live"]["version"] == 3


def test_of_deaf_pods_one_at_a_time_is_replaced() -> None:
    """Others go on answering meanwhile."""
    world = serving(replicas=3)
    world.now += timedelta(minutes=5)
    for server in world.servers:
        server.silent = True
    assert world.pipeline is not None
    world.pipeline["status"]["champion"] = champion(2)
    for _ in range(400):
        world.step()
        world.now += timedelta(seconds=0.5)
        assert sum(server.ready for server in world.servers) >= 2
    assert world.status["live"]["version"] == 2


def test_what_is_wrong_with_a_spec_is_told_once_and_the_same_everywhere() -> None:
    """Also where nothing has ever been ready, and of what is wrong with it after the next edit."""
    world = World(monitor={"window": "soon"})
    world.step()
    told = world.status
    world.step()
    assert world.status == told, "written again"
    world.owner["spec"]["monitor"] = {"window": "later"}
    world.owner["metadata"]["generation"] += 1
    world.step()
    assert "later" in world.condition("Stalled")["message"]
    assert world.condition("Ready")["message"] == world.condition("Stalled")["message"]


def test_a_spec_that_cannot_be_honoured_stalls_and_serves_on() -> None:
    """Told in Stalled and in the column; a good spec ends it."""
    world = serving()
    good = world.owner["spec"]
    world.owner["spec"] = {**good, "monitor": {"window": "soon"}}
    world.owner["metadata"]["generation"] += 1
    world.settle()
    assert (world.condition("Stalled")["status"], world.condition("Stalled")["reason"]) == ("True", "InvalidSpec")
    assert "spec.monitor.window" in world.status["summary"]["message"]
    assert world.condition("Ready")["status"] == "True"
    world.owner["spec"] = good
    world.owner["metadata"]["generation"] += 1
    world.settle()
    assert world.condition("Stalled") == {}


@pytest.mark.parametrize(
    ("window", "bucket"), [("1m10s", 10), ("9m50s", 10), ("10m", 60), ("24h", 60), ("65s", None), ("23h59m59s", None)]
)
def test_a_window_is_made_of_whole_buckets(window: str, bucket: int | None) -> None:
    """One that is not would be judged before its last bucket closes, or in more buckets than pods hold."""
    spec = {"model": {"uri": "pvc://models/x/1"}, "monitor": {"window": window}}
    owner = {"metadata": {"name": "x", "namespace": "demo", "uid": "u"}, "spec": spec}
    if bucket is None:
        with pytest.raises(specs.InvalidSpec, match=f"spec.monitor.window: {window} is no multiple of 10s"):
            specs.read(owner)
    else:
        assert specs.bucket_seconds(specs.read(owner).spec.monitor) == bucket


@pytest.mark.parametrize("kind", ["Pod", "ConfigMap", "Deployment"])
def test_a_list_that_failed_is_no_evidence_of_absence(kind: str) -> None:
    """Nothing is created twice or torn down because the API server did not answer."""
    world = serving()
    found = Case(world.owner, CONFIG).plan(Observed(world.owner, CONFIG, (), frozenset({kind})), START)
    assert (found.effects, found.status, found.requeue_after) == ((), None, 5.0)


@pytest.mark.parametrize("replicas", [0, 1])
def test_a_pipeline_that_could_not_be_read_is_read_again_soon(replicas: int) -> None:
    """The event of its new champion has been heard and does not come again."""
    world = serving()
    world.owner["spec"]["replicas"] = replicas
    world.owner["metadata"]["generation"] += 1
    world.settle()
    world.unread.add("Pipeline")
    assert world.step() == 5.0
    assert len(world.servers) == replicas
    world.unread.clear()
    world.settle()
    assert "ReadFailed" not in json.dumps(world.status)


def test_a_pipeline_that_could_not_be_read_at_first_is_read_again_soon() -> None:
    """Nothing is there yet that would tell of itself."""
    world = World()
    world.unread.add("Pipeline")
    assert world.step() == 5.0
    world.unread.clear()
    world.settle()
    assert world.condition("Ready")["status"] == "True"
