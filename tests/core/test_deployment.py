"""A ModelDeployment from creation over new and broken versions to drift, every decision on plain data."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ropewalk.core.deployment.monitoring.verdicts import quantile
from ropewalk.core.deployment.versions import Version
from ropewalk_server.app import process
from tests.core.deployment_world import World, champion, serving


def test_creation_to_ready_takes_few_writes_and_then_none() -> None:
    """Each child once, and a status that a user can read."""
    world = serving()
    assert world.writes <= 12
    kinds = sorted(kind for kind, _ in world.objects)
    expected = ["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"]
    assert kinds == expected
    assert world.status["live"]["version"] == 1
    assert world.status["summary"]["ready"] == "1/1"
    before = world.writes
    for _ in range(20):
        world.step()
        world.now += timedelta(seconds=15)
    assert world.writes == before, "nothing is written in steady state"


def test_a_deployment_older_than_its_champion_gets_every_child() -> None:
    """Looking at the children while nothing is wanted of them settles nothing."""
    world = World()
    world.pipeline = {"status": {}}
    world.settle()
    assert not world.objects
    world.pipeline["status"]["champion"] = champion(1)
    world.settle()
    assert {"ServiceAccount", "Service", "NetworkPolicy", "Deployment"} <= {kind for kind, _ in world.objects}


def test_a_new_champion_is_tried_by_one_pod_then_all_then_switched_to() -> None:
    """No pod is ever without a live version, and the old one is let go only at the end."""
    world = serving(replicas=3)
    assert world.pipeline is not None
    world.pipeline["status"]["champion"] = champion(2)
    world.lives.clear()
    world.settle()
    assert set(world.lives) == {1, 2}
    assert world.lives[-3:] == [2, 2, 2]
    assert world.status["live"]["version"] == 2
    routes = json.loads(world.objects["ConfigMap", "cancer-routes"]["data"]["routes.json"])
    assert [one["version"] for one in routes["versions"]] == [2]
    assert [h["version"] for h in world.status["history"] if h["result"] == "Live"] == [1, 2]


def test_a_version_that_fails_never_serves_and_is_not_tried_again() -> None:
    """What is live stays live, the failure is told, and only another champion ends it."""
    world = serving()
    world.servers[0].broken = {2}
    assert world.pipeline is not None
    world.pipeline["status"]["champion"] = champion(2)
    world.settle()
    assert set(world.lives) == {1} or set(world.lives) == {None, 1}
    assert world.status["live"]["version"] == 1
    assert world.condition("Ready")["status"] == "True"
    assert world.condition("RolledBack")["reason"] == "TamperedModel"
    assert world.status["lastFailure"]["reason"] == "TamperedModel"
    assert "TamperedModel" in world.status["summary"]["message"]
    world.pipeline["status"]["champion"] = champion(3)
    world.settle()
    assert world.status["live"]["version"] == 3
    assert "RolledBack" not in {c["type"] for c in world.status["conditions"]}


def test_a_broken_first_version_is_replaced_by_the_next_champion() -> None:
    """With no pod ready at all, a version that the pilot has proved goes live directly."""
    world = World()
    world.on_new_server = lambda server: server.broken.add(1)
    world.settle()
    assert world.condition("Ready")["status"] == "False"
    assert world.condition("Ready")["reason"] == "TamperedModel"
    assert world.pipeline is not None
    world.pipeline["status"]["champion"] = champion(2)
    world.settle()
    assert world.condition("Ready")["status"] == "True"
    assert world.status["live"]["version"] == 2


def test_an_absent_champion_unloads_nothing() -> None:
    """A deleted Pipeline is told, and what is live goes on."""
    world = serving()
    world.pipeline = None
    world.settle()
    assert world.status["live"]["version"] == 1
    assert world.condition("Ready")["status"] == "True"
    assert "PipelineNotFound" in world.status["summary"]["message"]


@pytest.mark.parametrize(("pipeline", "reason"), [(None, "PipelineNotFound"), ({"status": {}}, "WaitingForChampion")])
def test_without_a_version_nothing_is_created_and_the_reason_stands(pipeline: Any, reason: str) -> None:
    """Ready False, with the reason of the wait."""
    world = World()
    world.pipeline = pipeline
    world.settle()
    assert world.objects == {}
    assert world.condition("Ready")["reason"] == reason


def test_with_an_autoscaler_replicas_are_never_written() -> None:
    """And without one again, it is deleted."""
    world = World(autoscaling={"minReplicas": 1, "maxReplicas": 3})
    world.settle()
    assert world.objects["Deployment", "cancer-server"]["metadata"]["managedFields"] == [], "nobody owns the number"
    assert ("HorizontalPodAutoscaler", "cancer-server") in world.objects
    del world.owner["spec"]["autoscaling"]
    world.owner["metadata"]["generation"] += 1
    world.settle()
    assert ("HorizontalPodAutoscaler", "cancer-server") not in world.objects


def test_a_pinned_version_and_a_uri_are_served_as_named() -> None:
    """The champion does not matter then."""
    world = World(model={"pipeline": "cancer", "version": 7})
    assert world.pipeline is not None
    world.pipeline["spec"] = {"artifacts": {"uri": "pvc://models/ropewalk"}}
    world.settle()
    assert world.status["live"]["uri"] == "pvc://models/ropewalk/demo/cancer/models/7"
    digest = champion(3)["manifestDigest"]
    world = World(model={"uri": "pvc://models/elsewhere/3", "digest": digest})
    world.settle()
    live = {"version": 3, "uri": "pvc://models/elsewhere/3", "manifestDigest": digest}
    assert live.items() <= world.status["live"].items()
    listed = json.loads(world.objects["ConfigMap", "cancer-routes"]["data"]["routes.json"])["versions"]
    assert [(one["manifestDigest"], one["digest"]) for one in listed] == [(digest, "")], "servers prove every file"


def test_a_pinned_digest_that_is_corrected_means_another_version() -> None:
    """So that it is tried; a digest that is not known is no difference."""
    one, other = (Version(3, "pvc://models/elsewhere/3", manifest_digest=f"sha256:{n:064x}") for n in (3, 4))
    assert not one.same(other)
    assert one.same(Version(3, "pvc://models/elsewhere/3"))


def test_a_pod_that_hears_nothing_is_nudged_and_at_last_replaced() -> None:
    """With growing pauses; one pod at a time."""
    world = serving()
    world.servers[0].silent = True
    assert world.pipeline is not None
    world.pipeline["status"]["champion"] = champion(2)
    nudges = set()
    for _ in range(200):
        world.step()
        world.now += timedelta(seconds=0.5)
        if not world.servers[0].silent:
            break
        nudges |= set(world.servers[0].annotations.values())
    assert 3 <= len(nudges) <= 12
    world.settle()
    assert world.status["live"]["version"] == 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("crash_at", range(1, 24))
def test_a_crash_at_any_write_leads_to_the_same_end(crash_at: int, after: bool) -> None:
    """Creation and one new champion, the operator dying once at each write: the same children, the same answer."""
    world = World(crash_at=crash_at, crash_after=after, replicas=2)
    world.settle()
    assert world.pipeline is not None
    world.pipeline["status"]["champion"] = champion(2)
    world.settle()
    assert world.status["live"]["version"] == 2
    assert world.condition("Ready")["status"] == "True"
    assert len(world.objects) == 6
    assert {server.live for server in world.servers} == {2}


def test_quantiles_are_interpolated_within_their_bucket() -> None:
    """The median of ten requests between 1 and 10 ms lies between them."""
    assert quantile((0.001, 0.01), (0, 10, 0), 0.5) == pytest.approx(0.0055)
    assert quantile((0.001, 0.01), (0, 0, 0), 0.5) is None


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"type": "Off"}, {"type": "Off"}),
        ({"type": "Bounded"}, {"type": "Bounded", "maxRows": 256, "maxDelaySeconds": 0}),
        (
            {"type": "Bounded", "maxRows": 64, "maxDelay": "2ms"},
            {"type": "Bounded", "maxRows": 64, "maxDelaySeconds": 0.002},
        ),
    ],
)
def test_batching_reaches_running_servers_by_their_routes(asked: dict[str, Any], told: dict[str, Any]) -> None:
    """A new revision and no new pod; back at Auto, nothing is said of it, as before the field was there."""
    world = serving()

    def routes() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(world.objects["ConfigMap", "cancer-routes"]["data"]["routes.json"])
        return found

    before, template = routes(), world.objects["Deployment", "cancer-server"]["spec"]["template"]
    assert "batching" not in before
    world.owner["spec"]["serving"] = {"batching": asked}
    world.settle()
    assert routes()["batching"] == told
    assert routes()["revision"] > before["revision"]
    assert world.objects["Deployment", "cancer-server"]["spec"]["template"] == template
    revision = routes()["revision"]
    world.owner["spec"]["serving"] = {"batching": {"type": "Auto"}}
    world.settle()
    assert "batching" not in routes()
    assert routes()["revision"] > revision, "servers ignore other routes of a revision that they have read"


@pytest.mark.parametrize(("deadline", "grace"), [(30, 40), (5, 40), (120, 130)])
def test_a_pod_outlives_the_longest_request_that_it_may_have(deadline: int, grace: int) -> None:
    """It answers for a few seconds after it is asked to end, the last of them up to the deadline, and then waits until
    its counts have been read."""
    deployment = serving(serving={"limits": {"deadline": f"{deadline}s"}}).objects["Deployment", "cancer-server"]
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == grace
    assert process.LEAVE_SECONDS + max(process.GRACE_SECONDS, deadline) + process.LINGER_SECONDS + 1 <= grace
