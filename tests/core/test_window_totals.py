"""Counts outlive the pods and the operators that know them: each is in the sums once, whoever dies when."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from ropewalk.core.deployment.observe import window_totals as ledgers
from ropewalk.core.deployment.observe.window_totals import LARGEST, Labels, WindowTotals
from ropewalk.core.deployment.state import Live
from ropewalk.core.deployment.versions import Version
from ropewalk_model import baseline
from ropewalk_model.features import FeatureSpec
from ropewalk_model.windows import Bucket, Page
from tests.core.deployment_world import START, World, champion

ROWS = 100
LEDGER = "ConfigMap", "cancer-labels"


def watched() -> World:
    """A served model whose drift is judged by the hour."""
    drift = {"threshold": "0.2", "consecutiveWindows": 1}
    monitor = {"window": "1h", "minSamples": 100, "minRequests": 10, "drift": drift}
    world = World(monitor={**monitor, "performance": {"window": "7d", "minLabels": 1}})
    train = {"x": np.random.default_rng(3).normal(0, 1, 3000).astype(np.float32)}
    world.baseline = baseline.build([FeatureSpec("x", "Number")], train, np.array(["a"] * 3000), classes=("a", "b"))
    while world.condition("Ready").get("status") != "True":
        world.step()
        world.now += timedelta(seconds=0.5)
    world.now = world.now.replace(minute=10, second=5)
    return world


def minutes(world: World, count: int) -> None:
    """Minutes pass in which every server answers 100 rows and hears one label; the operator looks at each."""
    assert world.baseline is not None
    bins = baseline.Baseline.from_document(world.baseline).bins["x"]
    shifted = bins.count(np.full(ROWS, 9.0, dtype=np.float32)).tolist()
    for _ in range(count):
        start = int(world.now.timestamp()) - 5
        for server in world.servers:
            one = {"start": start, "seconds": 60, "version": 1, "digest": champion(1)["digest"], "errors": 0}
            labels = {"count": 1, "correct": 1, "classes": [[0, 1, 1, 1]]}
            one |= {"requests": ROWS, "rows": ROWS, "features": {"x": shifted}, "labels": labels}
            server.windows.append(one)
        world.now += timedelta(minutes=1)
        world.step()
        world.step()


def replace_server(world: World) -> None:
    """The pod ends, and another takes its place."""
    world.servers.clear()
    for _ in range(3):
        world.step()


def labels_kept(world: World) -> int:
    """The labels in the ConfigMap."""
    return sum(one["count"] for one in json.loads(world.objects[LEDGER]["data"]["labels.json"])["sums"])


def end_well(world: World) -> None:
    """A pod is deleted, stops with counts of the minute that has just begun, and is gone when it has been read."""
    server = world.delete_server()
    world.now += timedelta(seconds=10)
    for second in range(20):
        if second == 3:
            start = int(world.now.timestamp()) // 10 * 10
            last = {**server.windows[-1], "start": start, "seconds": 10, "requests": 7, "rows": 7, "features": {}}
            server.windows.append({**last, "labels": {"count": 1, "correct": 1, "classes": [[0, 1, 1, 1]]}})
            server.finished = True
        delay = world.step()
        if server.read:
            world.leaving.remove(server)
            world.now = (world.now + timedelta(minutes=1)).replace(second=5)
            return
        assert delay is not None
        assert delay <= 1.0, "a server waits a few seconds only"
        world.now += timedelta(seconds=1)
    raise AssertionError("the server was never told that it has been read")


def test_a_pod_that_is_deleted_takes_nothing_with_it() -> None:
    """What it counted in its last seconds is in the sums before it is gone."""
    world = watched()
    minutes(world, 25)
    end_well(world)
    assert labels_kept(world) == 25 + 1
    minutes(world, 30)
    assert world.condition("DataDrift")["status"] == "True"
    assert world.status["drift"]["samples"] == 49 * ROWS + 7


@pytest.mark.parametrize("at", range(1, 8))
def test_a_deleted_pods_counts_are_kept_once_wherever_the_operator_dies(at: int) -> None:
    """It asks again for what it has not written down, and the server waits for that."""
    world = watched()
    minutes(world, 25)
    world.crash_at = world.writes + at
    world.crash_after = at % 2 == 0
    end_well(world)
    assert labels_kept(world) == 25 + 1
    minutes(world, 31)
    assert world.status["drift"]["samples"] == 49 * ROWS + 7


def test_nothing_is_concluded_from_a_pod_that_leaves_alone() -> None:
    """While a version changes, pods that serve are not asked for windows; what one that leaves says is kept."""
    world = watched()
    world.owner["spec"]["replicas"] = 2
    for _ in range(5):
        world.step()
        world.now += timedelta(seconds=0.5)
    world.now = world.now.replace(second=5)
    minutes(world, 5)
    before = world.status["traffic"]
    assert before["requests"] == 2 * ROWS
    world.pipeline = {"status": {"champion": champion(2)}}
    for server in world.servers:
        server.silent = True
    world.step()
    world.delete_server()
    for _ in range(3):
        world.step()
    assert world.status["candidate"]["version"] == 2
    assert world.status["traffic"] == before
    assert labels_kept(world) == 5


def test_a_pod_that_is_killed_costs_no_more_than_its_last_minutes() -> None:
    """Of the hour, all but what came since the last round ten minutes."""
    world = watched()
    minutes(world, 25)
    replace_server(world)
    minutes(world, 30)
    assert world.condition("DataDrift")["status"] == "True"
    assert 40 * ROWS <= world.status["drift"]["samples"] < 50 * ROWS


@pytest.mark.parametrize("at", range(1, 32))
def test_nothing_is_counted_twice_or_lost_wherever_the_operator_dies(at: int) -> None:
    """Sums and their points in time are one write."""
    world = watched()
    world.crash_at = world.writes + at
    minutes(world, 62)
    minutes(world, 1)
    assert world.status["drift"]["samples"] == 50 * ROWS
    assert labels_kept(world) == 60
    assert world.status["performance"]["labels"] >= 57


def test_the_ledger_is_written_once_in_ten_minutes_and_never_without_traffic() -> None:
    """Whatever the number of looks."""
    world = watched()
    written = set()
    for _ in range(60):
        minutes(world, 1)
        written.add(world.objects.get(LEDGER, {}).get("metadata", {}).get("resourceVersion"))
    assert len(written - {None}) <= 6
    world.now += timedelta(minutes=15)
    world.settle()
    before = world.writes
    for _ in range(20):
        world.now += timedelta(hours=1)
        world.step()
    assert world.writes - before <= 2, "no traffic, and no verdict any more"


def test_a_pod_that_does_not_answer_is_read_when_it_does() -> None:
    """Others' counts go into the sums meanwhile, and its own later, once."""
    world = watched()
    world.owner["spec"]["replicas"] = 2
    for _ in range(5):
        world.step()
        world.now += timedelta(seconds=0.5)
    world.now = world.now.replace(second=5)
    assert len(world.servers) == 2
    minutes(world, 10)
    world.servers[0].mute = "TimeoutError"
    minutes(world, 20)
    world.servers[0].mute = ""
    minutes(world, 30)
    assert world.status["drift"]["samples"] == 2 * 50 * ROWS


def test_an_operator_that_was_away_reads_page_by_page() -> None:
    """Nothing is concluded until all is there; everything is, in the end."""
    world = watched()
    minutes(world, 1)
    world.servers[0].page_buckets = 15
    away = world.step
    world.step = lambda: None  # type: ignore[method-assign]
    minutes(world, 50)
    world.step = away  # type: ignore[method-assign]
    world.step()
    assert "drift" not in world.status
    for _ in range(5):
        world.step()
    assert world.status["drift"]["samples"] == 50 * ROWS


def live() -> Live:
    """Version 1, since the beginning."""
    version = Version.from_document(champion(1))
    assert version is not None
    return Live(version, "LiteRT", START)


@pytest.mark.parametrize(("features", "too_large"), [(200, False), (1500, True)])
def test_the_largest_models_sums_fit_a_config_map(features: int, too_large: bool) -> None:
    """200 features of 102 bins and 1,000 classes do, by the week; what cannot fit is left out and said."""
    start, digest = int(START.timestamp()) // 86400 * 86400, champion(1)["digest"]
    labels = Labels(10**5, 9 * 10**4, dict.fromkeys(range(1000), (100, 100, 90)))
    counts = {f"feature_{n}": (9_999_999,) * 102 for n in range(features)}
    ledger = WindowTotals(1, digest, 3600, 86400, {}, tuple((start + hour * 3600, labels) for hour in range(168)))
    days = tuple(Bucket(start + day * 86400, 60, 1, digest, 10**7, 0, 10**7, features=counts) for day in range(5, 8))
    now = days[-1].end + 3600.0
    page = Page(days, days[-1].end)
    ledger = ledgers.fold(ledger, {"pod": page}, ["pod"], live(), label_window=7 * 86400, judged=0.0, closed_by=now)
    assert len(json.dumps(ledger.document())) <= LARGEST
    total = ledgers.total(ledger, (), 0.0)
    assert total.count >= 160 * 10**5
    assert dict(total.quality())["precision"] == pytest.approx(0.9)
    assert ledger.too_large == too_large
    assert ledger.chunk <= 12 * 3600
    assert bool(ledger.windows) != too_large
    assert WindowTotals.from_document(json.loads(json.dumps(ledger.document()))) == ledger


def test_a_ledger_is_read_as_it_was_written_and_nothing_else_is() -> None:
    """A ConfigMap that somebody broke begins anew."""
    window = Bucket(0, 3600, 1, "sha256:1", 5, 0, 7, features={"x": (3, 4)})
    ledger = WindowTotals(1, "sha256:1", 3600, 3600, {"pod": 600}, ((0, Labels(3, 2, {1: (2, 1, 1)})),), (window,))
    document = ledger.document()
    assert WindowTotals.from_document(json.loads(json.dumps(document))) == ledger
    broken: Any
    for broken in (None, [], {}, {**document, "sums": [{"start": 1}]}, {**document, "chunkSeconds": 0}):
        assert WindowTotals.from_document(broken) is None
    for broken in ({**document, "upTo": []}, {**document, "windows": [{}]}, {**document, "formatVersion": 1}):
        assert WindowTotals.from_document(broken) is None


def test_another_version_or_window_begins_anew() -> None:
    """What was counted by another yardstick is not added."""
    window = Bucket(0, 3600, 1, champion(1)["digest"], 5, 0, 7)
    ledger = WindowTotals(1, champion(1)["digest"], 3600, 3600, {"pod": 600}, ((0, Labels(3, 2)),), (window,))
    assert ledgers.current(ledger, live(), 3600, 7 * 86400) == ledger
    other = ledgers.current(ledger, live(), 86400, 7 * 86400)
    assert (other.windows, other.sums, other.up_to) == ((), ledger.sums, ledger.up_to)
    version = Version.from_document(champion(2))
    assert version is not None
    assert ledgers.current(ledger, Live(version, "", START), 3600, 7 * 86400).sums == ()
