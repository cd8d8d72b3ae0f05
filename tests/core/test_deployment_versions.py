"""Which version answers when models share a number, faults pass, pods refuse: always an end, and the right one."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ropewalk.core.conditions import timestamp
from tests.core.deployment_world import World, champion, serving
from tests.core.rollouts import answered, edited, elapse, path_of, promoted
from tests.effort import examples


@pytest.mark.parametrize("old", [False, True], ids=["server of today", "server of an older image"])
def test_another_pipelines_version_of_the_same_number_takes_over(old: bool) -> None:
    """Servers hold one model a number, so it is loaded beside the live one under a number that is free."""
    world = World(replicas=2)
    world.on_new_server = lambda server: setattr(server, "old", old)
    world.settle()
    edited(world, model={"pipeline": "other"})
    other = champion(1, "other")
    promoted(world, other)
    world.lives.clear()
    world.settle()
    assert answered(world) == {path_of(other)}
    assert None not in world.lives, "no pod was without a live version"
    assert (world.status["live"]["version"], world.status["live"]["servedAs"]) == (1, 2)
    promoted(world, champion(2, "other"))
    world.settle()
    assert answered(world) == {path_of(champion(2, "other"))}
    promoted(world, champion(3, "other"))
    world.settle()
    assert "servedAs" not in world.status["live"], "its own number is free again"


def test_directories_without_a_number_replace_each_other() -> None:
    """All of them count as version 1."""
    world = World(model={"uri": "pvc://models/x/a", "digest": champion(1)["digest"]})
    world.settle()
    edited(world, model={"uri": "pvc://models/x/b", "digest": champion(2)["digest"]})
    world.settle()
    assert answered(world) == {"/ropewalk/claims/models/x/b"}
    assert world.status["live"]["manifestDigest"] == champion(2)["digest"]
    del world.owner["status"]
    world.settle()
    assert (world.status["live"]["version"], world.status["live"]["servedAs"]) == (1, 2), "read off the routes"


def test_a_pod_that_cannot_exchange_its_model_is_replaced() -> None:
    """It answers with another model under the number, and its image is too old to load this one beside it."""
    world = serving(replicas=2)
    other = champion(1, "other")
    for server in world.servers:
        server.old = True
    routes = json.loads(world.objects["ConfigMap", "cancer-routes"]["data"]["routes.json"])
    routes["versions"] = [{"version": 1, "path": path_of(other), "digest": other["digest"], "manifestDigest": None}]
    world.objects["ConfigMap", "cancer-routes"]["data"]["routes.json"] = json.dumps(routes | {"revision": 9})
    edited(world, model={"pipeline": "other"})
    promoted(world, other)
    del world.owner["status"]
    elapse(world, 200)
    assert answered(world) == {path_of(other)}


@pytest.mark.parametrize("reason", ["ModelNotFound", "StoreUnreadable", "InsufficientMemory"])
def test_a_fault_that_passes_costs_a_version_nothing(reason: str) -> None:
    """A share shows a directory late, or fails once in one pod."""
    world = serving(replicas=2)
    two = champion(2)
    for server in world.servers:
        server.faults[path_of(two)] = reason
    promoted(world, two)
    elapse(world, 40)
    assert "quarantined" not in world.status
    assert reason in world.status["summary"]["message"], "a person sees what it waits for"
    for server in world.servers:
        server.faults.clear()
    world.settle()
    assert world.status["live"]["version"] == 2
    assert "message" not in world.status["summary"]


def test_a_fault_that_stays_ends_the_try() -> None:
    """After a minute; what is live stays live."""
    world = serving()
    world.servers[0].faults[path_of(champion(2))] = "ModelNotFound"
    promoted(world, champion(2))
    elapse(world, 70)
    assert world.condition("RolledBack")["reason"] == "ModelNotFound"
    assert world.status["live"]["version"] == 1
    last = world.status["history"][-1]
    assert (last["result"], last["message"]) == ("Failed", "a file has another sha256")


def test_a_store_that_is_away_costs_a_version_that_has_answered_nothing() -> None:
    """Its only pod comes up anew meanwhile; the title does not change hands for that."""
    world = serving()
    fault = {path_of(champion(1)): "StoreUnreadable"}
    world.on_new_server = lambda server: server.faults.update(fault)
    world.servers.clear()
    elapse(world, 300, pause=5)
    assert (world.condition("Ready")["status"], world.condition("Ready")["reason"]) == ("False", "StoreUnreadable")
    assert "quarantined" not in world.status
    world.servers[0].faults.clear()
    world.settle()
    assert world.condition("Ready")["status"] == "True"


def test_a_pod_that_has_only_just_started_has_its_time() -> None:
    """However long ago the version became the wanted one."""
    world = serving()
    world.servers[0].faults[path_of(champion(2))] = "ModelNotFound"
    promoted(world, champion(2))
    elapse(world, 50)
    world.servers[0].started = timestamp(world.now)
    elapse(world, 50)
    assert "quarantined" not in world.status
    elapse(world, 20)
    assert world.status["quarantined"]


def test_a_version_that_loads_after_all_is_not_called_unserved() -> None:
    """Pinned before it exists: refused at first, served as soon as it is there."""
    world = World()
    fault = {path_of(champion(1)): "ModelNotFound"}
    world.on_new_server = lambda server: server.faults.update(fault)
    elapse(world, 70)
    assert world.condition("Ready")["reason"] == "ModelNotFound"
    assert world.status["quarantined"]
    world.servers[0].faults.clear()
    world.settle()
    assert world.condition("Ready")["status"] == "True"
    assert world.condition("RolledBack") == {}
    assert "message" not in world.status["summary"]


def test_an_edit_of_the_spec_gives_what_failed_another_chance() -> None:
    """The pods are told to try again; what they said of older routes is history."""
    world = World()
    world.on_new_server = lambda server: server.broken.add(1)
    world.settle()
    assert world.condition("Ready")["reason"] == "TamperedModel"
    world.servers[0].broken.clear()
    world.settle()
    assert world.condition("Ready")["status"] == "False", "nobody asked for another try"
    edited(world, replicas=2)
    world.on_new_server = lambda server: None
    world.settle()
    assert world.condition("Ready")["status"] == "True"
    assert world.status["routes"]["retry"] == 1
    assert "quarantined" not in world.status


def test_a_second_promotion_gives_another_chance_too() -> None:
    """To the version that a person promotes once more."""
    world = serving()
    world.servers[0].broken = {2}
    promoted(world, champion(2), promotedAt="2026-01-02T03:04:00Z")
    world.settle()
    assert world.condition("RolledBack")["reason"] == "TamperedModel"
    world.servers[0].broken = set()
    promoted(world, champion(2), promotedAt="2026-01-02T04:00:00Z")
    world.now += timedelta(hours=2)
    world.settle()
    assert world.status["live"]["version"] == 2


def test_live_counts_from_the_last_pods_switch() -> None:
    """As the field says."""
    world = serving(replicas=3)
    promoted(world, champion(2))
    world.settle(seconds=5)
    switched = [h["at"] for h in world.status["history"] if h["result"] == "Live"][-1]
    assert world.status["live"]["since"] >= switched
    assert world.status["history"][-2]["message"] == f"by version 2 of {champion(2)['uri']}"


MODELS = [champion(number, pipeline) for pipeline in ("cancer", "other") for number in (1, 2, 3)]
EVENTS = st.one_of(
    st.tuples(st.just("champion"), st.integers(0, len(MODELS) - 1)),
    st.tuples(st.just("pin"), st.sampled_from(["a", "b", "3"])),
    st.tuples(st.just("replicas"), st.integers(0, 3)),
    st.tuples(st.just("fault"), st.integers(0, len(MODELS) - 1)),
    st.tuples(st.just("well"), st.just(0)),
    st.tuples(st.just("old"), st.booleans()),
    st.tuples(st.just("silent"), st.booleans()),
    st.tuples(st.just("deaf"), st.booleans()),
    st.tuples(st.just("forget"), st.just(0)),
    st.tuples(st.just("crash"), st.integers(1, 5)),
)


def happen(world: World, kind: str, value: Any) -> None:
    """One thing that people or machines do."""
    match kind:
        case "champion":
            edited(world, model={"pipeline": "cancer"})
            promoted(world, MODELS[value])
        case "pin":
            digest = f"sha256:{len(value) + 8192 + ord(value[0]):064x}"
            edited(world, model={"uri": f"pvc://models/x/{value}", "digest": digest})
        case "replicas":
            edited(world, replicas=value)
        case "fault":
            for server in world.servers:
                server.faults[path_of(MODELS[value])] = ("TamperedModel", "ModelNotFound")[value % 2]
        case "well":
            for server in world.servers:
                server.faults.clear()
        case "crash":
            world.crash_at, world.crash_after = world.writes + value, value % 2 == 0
        case "forget":
            world.owner.pop("status", None)
        case _:
            for server in world.servers[:1]:
                setattr(server, kind, value)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(EVENTS, st.integers(0, 6)), max_size=8))
def test_whatever_happens_the_passes_come_to_an_end(sequence: list[tuple[tuple[str, Any], int]]) -> None:
    """A fixed point within a bounded number of passes and revisions; with healthy pods it is what was asked for."""
    world = World(replicas=2)
    world.settle()
    for (kind, value), passes in sequence:
        happen(world, kind, value)
        for _ in range(passes):
            world.step()
            world.now += timedelta(seconds=0.5)
    told = world.status.get("routes", {}).get("revision", 0)
    elapse(world, 300, pause=5)
    assert world.status["routes"]["revision"] - told <= 12
    written = world.writes
    elapse(world, 200, pause=10)
    assert world.writes == written, "a fixed point"
    for server in world.servers:
        server.faults.clear()
        server.silent = server.deaf = False
    edited(world, replicas=2)
    elapse(world, 200, pause=5)
    assert world.condition("Ready")["status"] == "True", world.status
    wanted = world.owner["spec"]["model"].get("uri") or world.pipeline["status"]["champion"]["uri"]  # type: ignore[index]
    assert answered(world) == {"/ropewalk/claims/" + wanted.removeprefix("pvc://")}


def at(place: str) -> dict[str, Any]:
    """A model named by its uri, of which nothing is known but the digest of its manifest."""
    return {"uri": f"pvc://models/x/{place}", "digest": f"sha256:{ord(place):064x}"}


def test_a_namesakes_word_proves_no_newcomer() -> None:
    """All are version 1: while pods still answer A, B is on its way and the user wants C, which cannot be loaded."""
    world = World(model=at("a"), replicas=2)
    world.settle()
    edited(world, model=at("b"))
    while world.status.get("candidate", {}).get("step") != "Switching":
        world.step_without_servers()
        if world.status.get("candidate", {}).get("step") != "Switching":
            world.step()
    for server in world.servers:
        server.faults["/ropewalk/claims/models/x/c"] = "TamperedModel"
    edited(world, model=at("c"))
    world.settle()
    assert not world.status["live"]["uri"].endswith("/c")
    assert answered(world) <= {"/ropewalk/claims/models/x/a", "/ropewalk/claims/models/x/b"}
    assert [one["reason"] for one in world.status["quarantined"]] == ["TamperedModel"]


def test_what_replaces_a_namesake_is_told_by_its_place() -> None:
    """Both are version 1."""
    world = World(model=at("a"))
    world.settle()
    edited(world, model=at("b"))
    world.settle()
    [said] = [one.message for one in world.events if one.reason == "Live"][1:]
    assert said == "version 1 of pvc://models/x/b answers predictions, instead of version 1 of pvc://models/x/a"


def test_a_pinned_version_keeps_its_digests_when_its_pipeline_forgets_it() -> None:
    """The manifest that it was published with is verified by every pod that comes later."""
    world = serving(model={"pipeline": "cancer", "version": 1})
    assert world.pipeline is not None
    world.pipeline["spec"] = {"artifacts": {"uri": "pvc://models/ropewalk"}}
    before = world.status["routes"]
    assert before["versions"][0]["manifestDigest"] == champion(1)["manifestDigest"]
    promoted(world, champion(12))
    world.settle()
    assert world.status["routes"] == before


def test_the_number_under_which_it_is_served_is_renewed() -> None:
    """At no replicas the routes are written anew, and with them the numbers that windows are counted under."""
    world = World(model=at("a"))
    world.settle()
    edited(world, model=at("b"))
    world.settle()
    assert world.status["live"]["servedAs"] == 2
    for model, replicas in ((at("b"), 0), (at("c"), 0), (at("b"), 0), (at("b"), 1)):
        edited(world, model=model, replicas=replicas)
        world.settle()
    assert world.status["live"].get("servedAs", 1) == world.status["routes"]["live"]
