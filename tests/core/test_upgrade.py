"""Objects that commit 9fe97bf stored are read by today's operator: nothing restarts, nothing is counted twice or lost.

The samples are worlds of that commit's own tests, written by its own code: the resource, its children, its pods.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.core import deployment_world, pipeline_world
from tests.core.deployment_world import champion

SAMPLES = Path(__file__).parent / "samples" / "9fe97bf"


def sample(name: str) -> dict[str, Any]:
    """A stored world."""
    return dict(json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8")))


def deployment(name: str) -> deployment_world.World:
    """The world of a ModelDeployment, its operator just replaced by today's."""
    found = sample(name)
    world = deployment_world.World()
    world.now = datetime.fromisoformat(found["now"])
    world.owner, world.pipeline, world.baseline = found["owner"], found["pipeline"], found["baseline"]
    world.objects = {(one["kind"], one["metadata"]["name"]): one for one in found["objects"]}
    world.born = found["born"]
    for stored in found["servers"]:
        server = deployment_world.Server(stored["name"])
        held = {int(number): one for number, one in stored["held"].items()}
        sets = {"broken": set(stored["broken"]), "claims": frozenset(stored["claims"])}
        vars(server).update({**stored, **sets, "held": held})
        world.servers.append(server)
    return world


def pipeline(name: str) -> pipeline_world.World:
    """The world of a Pipeline, its operator just replaced by today's."""
    found = sample(name)
    world = pipeline_world.World(found["owner"])
    world.now = datetime.fromisoformat(found["now"])
    world.objects = {(one["kind"], one["metadata"]["name"]): one for one in found["objects"]}
    world.others, world.created, world._uids = found["others"], found["created"], found["uids"]
    return world


@pytest.mark.parametrize("name", ["deployment-monitored", "deployment-totals", "deployment-quarantined"])
def test_a_deployment_at_rest_stays_at_rest(name: str) -> None:
    """The same pods, the same routes, the same verdicts, the same quarantine."""
    world = deployment(name)
    pods, status = [server.name for server in world.servers], world.status
    routes = world.objects["ConfigMap", "cancer-routes"]["data"]
    world.settle()
    assert [server.name for server in world.servers] == pods
    assert world.objects["ConfigMap", "cancer-routes"]["data"] == routes
    for field in ("live", "quarantined", "history", "drift", "performance", "serverImage"):
        assert world.status.get(field) == status.get(field), field


def test_totals_go_on_where_they_stood() -> None:
    """What the former operator had added up is neither dropped nor added again from the pods' pages."""
    world = deployment("deployment-totals")
    server = world.servers[0]
    for _ in range(30):
        start = int(world.now.timestamp()) - 5
        server.windows.append({**server.windows[-1], "start": start})
        world.now += timedelta(minutes=1)
        world.settle(seconds=0.1)
        world.now = world.now.replace(second=5)
    # 90 labels by then and 30 since; a number is rewritten when it has moved by a tenth.
    assert 107 <= world.status["performance"]["labels"] <= 120
    assert world.baseline_reads == 0, "the stored baseline is known"


def test_a_rollout_in_its_midst_comes_to_its_end() -> None:
    """Spreading goes on to live without another pilot."""
    world = deployment("deployment-spreading")
    world.settle()
    assert world.status["live"]["version"] == 2
    assert world.status.get("candidate") is None
    assert {server.live for server in world.servers} == {2}


def test_a_version_in_quarantine_is_not_tried_again() -> None:
    """Until the champion changes."""
    world = deployment("deployment-quarantined")
    world.settle()
    assert world.status["live"]["version"] == 1
    world.pipeline = {"status": {"champion": champion(3)}}
    world.settle()
    assert world.status["live"]["version"] == 3


def test_an_import_in_flight_is_followed_by_its_job() -> None:
    """No second Job is made for it."""
    world = deployment("deployment-importing")
    jobs = [name for kind, name in world.objects if kind == "Job"]
    for _ in range(5):
        world.step()
        world.now += timedelta(seconds=1)
    assert [name for kind, name in world.objects if kind == "Job"] == jobs
    assert world.status["imported"]


def test_a_champion_is_kept_and_the_next_run_counts_on() -> None:
    """Status is read whole: number, champion, history."""
    world = pipeline("pipeline-champion")
    created, status = list(world.created), world.status
    world.settle()
    assert world.created == created
    assert world.status["champion"] == status["champion"]
    world.annotate("run-requested-at", "upgraded")
    world.settle()
    assert world.status["run"]["id"] == 2
    world.succeed(2)
    assert world.status["champion"]["version"] == 2
    assert [one["id"] for one in world.status["history"]] == [1, 2]


def test_a_run_in_flight_is_finished_as_it_was_planned() -> None:
    """Its Job stays; its word is read (D15)."""
    world = pipeline("pipeline-running")
    created = list(world.created)
    world.settle()
    assert world.created == created
    world.succeed(2)
    assert world.status["champion"]["version"] == 2


def test_a_helper_job_in_flight_is_followed() -> None:
    """Its record stands under the name that 9fe97bf gave it."""
    world = pipeline("pipeline-recovering")
    created = list(world.created)
    assert world.status["errand"]["state"] == "Running"
    world.settle()
    assert world.created == created
