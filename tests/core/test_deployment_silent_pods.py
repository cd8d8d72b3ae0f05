"""Pods that do not answer, and versions that wait: told where a person looks, and no reason to look away."""

from __future__ import annotations

from ropewalk.core.deployment import Case
from ropewalk.core.deployment.observe.pods import WINDOWS_PATH
from tests.core.deployment_world import CONFIG, World, champion, serving
from tests.core.rollouts import elapse, promoted


def test_a_first_deployment_that_nobody_can_ask_is_not_called_ready() -> None:
    """kubelet says that its pod is ready; which version answers, nobody knows."""
    world = World()
    world.on_new_server = lambda server: setattr(server, "deaf", True)
    elapse(world, 120)
    assert (world.condition("Ready")["status"], world.condition("Ready")["reason"]) == ("Unknown", "Unreachable")
    assert world.condition("Observed")["status"] == "False"
    assert "?" not in str(world.status["conditions"])
    assert "port 8502" in world.status["candidate"]["message"]
    assert "do not answer the operator" in world.status["summary"]["message"]
    assert [server.name for server in world.servers] == ["cancer-server-abc-0"], "the way to it may be at fault"
    world.servers[0].deaf = False
    world.settle()
    assert world.condition("Ready")["status"] == "True"
    assert "message" not in world.status["summary"]


def test_a_silent_pod_is_replaced_in_a_rollout_while_others_answer() -> None:
    """After a minute; it would keep all from switching."""
    world = serving(replicas=3)
    world.servers[1].deaf = True
    promoted(world, champion(2))
    elapse(world, 30)
    assert world.servers[1].name in world.status["summary"]["message"]
    assert len(world.servers) == 3
    elapse(world, 60)
    assert "cancer-server-abc-1" not in {server.name for server in world.servers}
    world.settle()
    assert world.status["live"]["version"] == 2


def test_a_silent_pod_in_steady_state_is_told_and_left_alone() -> None:
    """It answers predictions by kubelet's word."""
    world = serving(replicas=2)
    world.servers[0].deaf = True
    elapse(world, 400, pause=10)
    assert world.condition("Observed")["status"] == "False"
    assert world.status["summary"]["message"] == (
        "Unreachable: no answer from cancer-server-abc-0 (timed out): numbers stand as they were"
    )
    assert [server.name for server in world.servers] == ["cancer-server-abc-0", "cancer-server-abc-1"]


def test_a_candidate_that_waits_says_for_what_and_stops_no_monitoring() -> None:
    """Its claim does not exist; the live version's windows are read all the same."""
    world = serving()
    world.claim = None
    promoted(world, champion(2) | {"uri": "pvc://elsewhere/demo/cancer/models/2"})
    world.on_new_server = lambda server: setattr(server, "waiting", {"reason": "ContainerCreating"})
    elapse(world, 5, pause=0.25)
    pods = tuple(server.pod({}) for server in world.servers)
    asked = Case(world.owner, CONFIG).scrapes(pods)
    assert any(one.path.startswith(WINDOWS_PATH) for one in asked), "in the quick looks too"
    elapse(world, 60)
    assert world.status["candidate"]["step"] == "Pending"
    assert "does not exist" in world.status["candidate"]["message"]
    pods = tuple(server.pod({}) for server in world.servers)
    assert any(one.path.startswith(WINDOWS_PATH) for one in Case(world.owner, CONFIG).scrapes(pods))


def test_waiting_costs_one_write() -> None:
    """The words stay while the cause does."""
    world = serving()
    world.servers[0].faults["/ropewalk/claims/models/ropewalk/demo/cancer/models/2"] = "StoreUnreadable"
    promoted(world, champion(2))
    elapse(world, 12)
    before = world.writes
    elapse(world, 40)
    assert world.writes == before
    assert "StoreUnreadable" in world.status["candidate"]["message"]
