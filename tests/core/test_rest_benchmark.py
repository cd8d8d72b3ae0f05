"""The documents of the benchmark of resources at rest: the operator takes them for resources that are at rest."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from benchmarks.rest import canned
from ropewalk.core.plan import Scraped
from ropewalk_contract.api.pipeline import Pipeline, PipelineStatus
from tests.core import deployment_world, pipeline_world

SPEC = canned.pipeline("rest-0", ["rest-0"])["spec"]


def test_a_pipeline_with_that_status_is_at_rest() -> None:
    """No run starts, and it looks after drift once a minute."""
    world = pipeline_world.World(pipeline_world.example("tabular", **SPEC))
    Pipeline.model_validate(world.owner)
    world.owner["status"] = canned.pipeline_status(SPEC)
    PipelineStatus.model_validate_json(json.dumps(world.status), strict=True)
    world.settle()
    written = world.writes
    for _ in range(3):
        assert world.later(minutes=1) == 60.0
    assert (world.created, world.writes) == ([], written)


def test_a_model_deployment_whose_pod_answers_so_is_ready_and_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pod loads nothing; what it answers is enough. The baseline is kept, then nothing is written."""
    champion = canned.pipeline_status(SPEC)["champion"]
    answers = canned.Answers(champion)
    world = deployment_world.World()
    monkeypatch.setattr("time.time", lambda: world.now.timestamp())
    monkeypatch.setattr(deployment_world.Server, "ready", property(lambda _: True))
    monkeypatch.setattr(world, "_answer", lambda pod, path: Scraped(answers.to(path), None))
    world.pipeline = {"status": {"champion": champion}}
    world.settle()
    world.now += timedelta(minutes=1)
    world.settle()
    assert world.condition("Ready")["status"] == "True"
    assert ("ConfigMap", "cancer-baseline") in world.objects
    written = world.writes
    for _ in range(5):
        world.now += timedelta(minutes=1)
        world.step()
    assert world.writes == written
