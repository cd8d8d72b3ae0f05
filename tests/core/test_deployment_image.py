"""Which image the servers run: pinned in status, moved a few at a time, with TensorFlow where needed (D15)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.core.deployment_world import World, champion, serving


def images(world: World) -> set[str]:
    """What the pods run."""
    return {server.image for server in world.servers}


def peer(name: str, image: str, *, ready: str = "True", moving: bool = False) -> dict[str, Any]:
    """Another ModelDeployment that serves."""
    conditions = [
        {"type": "Ready", "status": ready, "reason": "Serving"},
        {"type": "Reconciling", "status": str(moving), "reason": "Upgrading" if moving else "Reconciled"},
    ]
    status = {"serverImage": image, "live": {"version": 1}, "conditions": conditions}
    return {"metadata": {"namespace": "demo", "name": name}, "status": status}


def upgraded(world: World) -> World:
    """The operator is replaced by one that has another server image."""
    world.config = replace(world.config, server_image="server:2")
    return world


def test_an_upgrade_moves_the_pods_one_after_the_other() -> None:
    """Status names the new image before the Deployment does; the version that answers stays."""
    world = upgraded(serving(replicas=2))
    world.settle()
    assert world.status["serverImage"] == "server:2"
    assert images(world) == {"server:2"}
    assert world.condition("Reconciling")["reason"] == "Reconciled"
    assert set(world.lives) - {None} == {1}


def test_an_upgrade_halts_where_the_moved_ones_do_not_come_up() -> None:
    """Three at a time; whoever waits says for whom, and serves on with the image it had."""
    world = upgraded(serving())
    world.others = tuple(peer(f"m{n}", "server:2", ready="False") for n in range(3))
    world.settle()
    assert world.status["serverImage"] == "server:1"
    assert images(world) == {"server:1"}
    assert world.condition("Reconciling")["reason"] == "UpgradePending"
    assert "demo/m0 runs it and is not Ready yet" in world.condition("Reconciling")["message"]
    world.others = tuple(peer(f"m{n}", "server:2") for n in range(3))
    world.settle()
    assert images(world) == {"server:2"}


def test_what_is_due_at_once_does_not_wait_with_an_image() -> None:
    """A version on another claim that is taken back while the image waits its turn: the next pass puts pods right."""
    world = upgraded(serving(replicas=2))
    world.others = tuple(peer(f"m{n}", "server:2", ready="False") for n in range(3))
    world.on_new_server = lambda server: setattr(server, "waiting", {"reason": "ContainerCreating"})
    assert world.pipeline is not None
    before = world.pipeline["status"]["champion"]
    world.pipeline["status"]["champion"] = {**champion(2), "uri": "pvc://nowhere/demo/cancer/models/2"}
    world.settle()
    world.pipeline["status"]["champion"] = before
    assert world.step() == 0.0
    world.step()
    assert "nowhere" not in str(world.objects["Deployment", "cancer-server"]["spec"])
    assert world.status["serverImage"] == "server:1"


def test_deployments_without_pods_hold_no_upgrade_up() -> None:
    """They served once, have moved, and will not be Ready before somebody scales them up."""
    resting = serving()
    resting.owner["spec"]["replicas"] = 0
    resting.owner["metadata"]["generation"] += 1
    upgraded(resting).settle()
    assert resting.status["serverImage"] == "server:2"
    assert resting.status["live"]["version"] == 1
    world = upgraded(serving())
    world.others = tuple(
        {"metadata": {"namespace": "demo", "name": f"m{n}"}, "status": resting.status} for n in range(3)
    )
    world.settle()
    assert images(world) == {"server:2"}


def test_deployments_move_in_the_order_of_their_names() -> None:
    """The fourth waits for the first three, whoever looks first."""
    world = upgraded(serving())
    world.others = tuple(peer(f"a{n}", "server:1") for n in range(3))
    world.settle()
    assert images(world) == {"server:1"}
    world.others = (peer("a0", "server:2", moving=True), *world.others[1:])
    world.settle()
    assert images(world) == {"server:1"}
    world.others = (peer("a0", "server:2"), *world.others[1:])
    world.settle()
    assert images(world) == {"server:2"}


@pytest.mark.parametrize("why", ["deleted", "invalid"])
def test_nobody_waits_for_those_whose_turn_never_comes(why: str) -> None:
    """They are first by name, and nothing is done about them any more."""
    world = upgraded(serving())
    world.others = tuple(peer(f"a{n}", "server:1") for n in range(3))
    for one in world.others:
        if why == "deleted":
            one["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
        else:
            one["status"]["conditions"].append({"type": "Stalled", "status": "True", "reason": "InvalidSpec"})
    world.settle()
    assert images(world) == {"server:2"}


def test_a_lost_status_does_not_move_the_image() -> None:
    """The Deployment tells what was pinned."""
    world = upgraded(serving())
    world.others = tuple(peer(f"a{n}", "server:1") for n in range(5))
    world.step()
    del world.owner["status"]
    world.settle()
    assert images(world) == {"server:1"}


def test_a_version_that_only_tensorflow_serves_gets_pods_that_have_it() -> None:
    """Nothing tries it in the pods of before; version 1 answers until the new pods do."""
    world = serving()
    assert images(world) == {"server:1"}
    tried: set[tuple[str, int]] = set()

    def watch(server: Any) -> None:
        tried.update((server.image, number) for number in server.held)

    assert world.pipeline is not None
    world.pipeline["status"]["champion"] = {**champion(2), "engines": ["TensorFlow"]}
    for _ in range(30):
        world.step()
        for server in world.servers:
            watch(server)
    assert world.status["live"]["version"] == 2
    assert images(world) == {"server-tf:1"}
    assert ("server:1", 2) not in tried


def test_without_that_image_the_deployment_says_so() -> None:
    """What answers goes on answering."""
    world = serving()
    world.config = replace(world.config, server_tf_image="")
    assert world.pipeline is not None
    world.pipeline["status"]["champion"] = {**champion(2), "engines": ["TensorFlow"]}
    world.settle()
    assert world.condition("Stalled")["reason"] == "NoTensorFlowImage"
    assert world.status["live"]["version"] == 1


def test_the_user_may_ask_for_tensorflow() -> None:
    """serving.engine decides; back to Auto is back to the small image."""
    world = serving()
    world.owner["spec"] |= {"serving": {"engine": "TensorFlow"}}
    world.owner["metadata"]["generation"] += 1
    world.settle()
    assert images(world) == {"server-tf:1"}
    (container,) = world.objects["Deployment", "cancer-server"]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "1Gi"
    world.owner["spec"] |= {"serving": {"engine": "Auto"}}
    world.owner["metadata"]["generation"] += 1
    world.settle()
    assert images(world) == {"server:1"}


def test_a_version_that_was_promoted_again_is_tried_again() -> None:
    """Its failure lies before its promotion."""
    world = serving()
    assert world.pipeline is not None
    for server in world.servers:
        server.broken.add(2)
    world.pipeline["status"]["champion"] = {**champion(2), "promotedAt": "2026-01-02T03:04:00Z"}
    world.settle()
    assert world.condition("RolledBack")["status"] == "True"
    for server in world.servers:
        server.broken.clear()
        server.held.pop(2, None)
    world.settle()
    assert world.status["live"]["version"] == 1
    world.pipeline["status"]["champion"] = {**champion(2), "promotedAt": "2026-01-02T03:30:00Z"}
    world.settle()
    assert world.status["live"]["version"] == 2
