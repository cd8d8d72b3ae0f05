"""Steps of a rollout: a promotion, an edit of the spec, time that passes, the versions that answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.core.deployment_world import World


def path_of(version: dict[str, Any]) -> str:
    """Where servers find it."""
    return "/ropewalk/claims/" + str(version["uri"]).removeprefix("pvc://")


def edited(world: World, **spec: Any) -> None:
    """A person edits the spec."""
    world.owner["spec"] |= spec
    world.owner["metadata"]["generation"] += 1


def promoted(world: World, version: dict[str, Any], **more: Any) -> None:
    """The Pipeline names another champion."""
    assert world.pipeline is not None
    world.pipeline["status"]["champion"] = version | more


def elapse(world: World, seconds: float, pause: float = 1.0) -> None:
    """Passes with pauses, whatever they find."""
    end = world.now + timedelta(seconds=seconds)
    while world.now < end:
        world.step()
        world.now += timedelta(seconds=pause)


def answered(world: World) -> set[str]:
    """The paths of what the pods answer with."""
    return {server.held[server.live]["path"] for server in world.servers if server.live is not None}
