"""A champion that a follower could not serve gives the title back to the one before (D9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ropewalk.core.conditions import timestamp
from tests.core.pipeline_world import DIGEST, World, example, published, trained


def promoted_twice() -> World:
    """A Pipeline whose version 2 has replaced version 1."""
    world = World(example("tabular", triggers={}))
    world.settle()
    world.succeed(1)
    world.now += timedelta(minutes=5)
    world.annotate("run-requested-at", "now")
    world.settle()
    world.succeed(2, trained(), {**published(2), "digest": DIGEST.replace("a", "c")})
    assert world.status["champion"]["version"] == 2
    return world


def follower(world: World, version: int = 2, pipeline: str = "cancer", **more: Any) -> dict[str, Any]:
    """A ModelDeployment that has quarantined a version a minute from now."""
    digest = DIGEST if version == 1 else DIGEST.replace("a", "c")
    entry = {"version": version, "digest": digest, "reason": "TamperedModel", "message": "a file differs"}
    at = timestamp(world.now + timedelta(minutes=1))
    return {
        "metadata": {"name": "web"},
        "spec": {"model": {"pipeline": pipeline, **more}},
        "status": {"quarantined": [{**entry, "at": at}]},
    }


def test_the_title_goes_back_and_status_tells_why() -> None:
    """Version 1 is the champion again; who refused version 2 and why stands in status and in an Event."""
    world = promoted_twice()
    world.others["web"] = follower(world)
    world.later(minutes=2)
    champion = world.status["champion"]
    assert (champion["version"], champion["digest"]) == (1, DIGEST)
    assert "version 2 could not be served by ModelDeployment web (TamperedModel: a file differs)" in champion["reason"]
    assert "replaced" not in champion
    assert champion["engines"] == ["LiteRT", "OpenVINO"]
    assert world.heard()[-1] == "TitleLost"
    assert "regained the title" in next(c for c in world.status["conditions"] if c["type"] == "Ready")["message"]


def test_followers_that_cannot_be_read_are_read_again_soon() -> None:
    """A refusal is told by one event; nothing else would wake a Pipeline that rests."""
    world = promoted_twice()
    assert world.later(minutes=2) is None
    world.others["web"] = follower(world)
    world.unlisted = True
    assert world.later(minutes=2) == 5.0
    world.unlisted = False
    assert world.later(seconds=5) is None
    assert world.status["champion"]["version"] == 1


@pytest.mark.parametrize(
    "other",
    [{"version": 1}, {"pipeline": "another"}, {"version": 2, "pinned": True}],
    ids=["another version", "another pipeline", "a pinned version"],
)
def test_a_refusal_that_is_not_about_the_champion_changes_nothing(other: dict[str, Any]) -> None:
    """Only a follower of this Pipeline that refuses this very version counts."""
    world = promoted_twice()
    pinned = {"version": 2} if other.pop("pinned", False) else {}
    found = follower(world, **other)
    found["spec"]["model"] |= pinned
    world.others["web"] = found
    world.later(minutes=2)
    assert world.status["champion"]["version"] == 2


def test_a_person_may_promote_the_version_once_more() -> None:
    """What was said before the promotion does not count: the follower tries it again."""
    world = promoted_twice()
    world.others["web"] = follower(world)
    world.later(minutes=2)
    world.annotate("promote", "2")
    world.later(minutes=2)
    assert world.status["champion"]["version"] == 2
    assert world.status["champion"]["replaced"]["version"] == 1


def test_what_status_says_promotes_it_every_time() -> None:
    """An annotation that is set to the value that it has is seen by nobody, so status names another value."""
    world = promoted_twice()
    for again in ("2", "2@2", "2@3"):
        world.others["web"] = follower(world)
        world.later(minutes=2)
        assert world.status["champion"]["version"] == 1
        assert world.status["summary"]["message"].endswith(f"pipeline cancer ropewalk.dev/promote={again}")
        assert world.events[-1].message.endswith(f"pipeline cancer ropewalk.dev/promote={again}")
        world.annotate("promote", again)
        world.later(minutes=2)
        assert world.status["champion"]["version"] == 2


def test_the_first_champion_keeps_its_title() -> None:
    """Without a former one there is nothing better: followers say themselves that they do not serve it."""
    world = World(example("tabular", triggers={}))
    world.settle()
    world.succeed(1)
    world.others["web"] = follower(world, version=1)
    world.later(minutes=2)
    assert world.status["champion"]["version"] == 1
