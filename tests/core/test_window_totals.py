"""Counts outlive the pods and the operators that know them: each is in the sums once, whoever dies when."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from ropewalk.core.deployment.observe import window_totals
from ropewalk.core.deployment.observe.labels import Labels
from ropewalk.core.deployment.observe.window_totals import LARGEST, VersionTotals, WindowTotals
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
    [live, *_] = json.loads(world.objects[LEDGER]["data"]["labels.json"])["versions"]
    return sum(one["count"] for one in live["sums"])


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
    """Pods that serve do not answer for a while; the counts of one that leaves are kept."""
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
    for server in world.servers:
        server.mute = "TimeoutError"
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
    return Live(version(1), "LiteRT", START)


@pytest.mark.parametrize(("features", "too_large"), [(200, False), (1500, True)])
def test_the_largest_models_sums_fit_a_config_map(features: int, too_large: bool) -> None:
    """200 features of 102 bins and 1,000 classes do, by the week; what cannot fit is left out and said."""
    start, digest = int(START.timestamp()) // 86400 * 86400, champion(1)["digest"]
    labels = Labels(10**5, 9 * 10**4, dict.fromkeys(range(1000), (100, 100, 90)))
    counts = {f"feature_{n}": (9_999_999,) * 102 for n in range(features)}
    hours = tuple((start + hour * 3600, labels) for hour in range(168))
    stored = of_version_1(sums=hours, window=86400)
    days = tuple(Bucket(start + day * 86400, 60, 1, digest, 10**7, 0, 10**7, features=counts) for day in range(5, 8))
    now = days[-1].end + 3600.0
    page = Page(days, days[-1].end)
    found = window_totals.fold(
        stored, {"pod": page}, ["pod"], [live()], label_window=7 * 86400, judged={}, closed_by=now
    )
    assert len(json.dumps(found.document())) <= LARGEST
    [one] = found.versions.values()
    total = window_totals.total(one, (), 0.0)
    assert total.count >= 160 * 10**5
    assert dict(total.quality())["precision"] == pytest.approx(0.9)
    assert one.too_large == too_large
    assert one.chunk <= 12 * 3600
    assert bool(one.windows) != too_large
    assert WindowTotals.from_document(json.loads(json.dumps(found.document()))) == found


def test_versions_that_do_not_answer_give_way_to_the_live_one() -> None:
    """Where one ConfigMap cannot hold the histograms of both."""
    start = int(START.timestamp()) // 86400 * 86400 + 5 * 86400
    counts = {f"feature_{n}": (9_999_999,) * 102 for n in range(600)}
    two = Live(version(2), "LiteRT", START)
    counted = [live(), two]
    days = tuple(
        Bucket(start, 60, number, champion(number)["digest"], 10**7, 0, 10**7, features=counts) for number in (1, 2)
    )
    stored = window_totals.current(None, counted, 86400, 7 * 86400)
    page = Page(days, start + 60)
    found = window_totals.fold(
        stored, {"pod": page}, ["pod"], counted, label_window=7 * 86400, judged={}, closed_by=start + 7200.0
    )
    assert [(one.version, one.too_large, bool(one.windows)) for one in found.versions.values()] == [
        (1, False, True),
        (2, True, False),
    ]
    assert len(json.dumps(found.document())) <= LARGEST


def version(number: int) -> Version:
    """A champion's version."""
    found = Version.from_document(champion(number))
    assert found is not None
    return found


def of_version_1(window: int = 3600, **more: Any) -> WindowTotals:
    """Totals of version 1 alone, of which one pod's counts are known up to 600 where `more` has any."""
    one = VersionTotals(1, champion(1)["digest"], 3600, window, **more)
    return WindowTotals({"pod": 600} if window == 3600 else {}, {one.key: one})


def test_totals_are_read_as_they_were_written_and_nothing_else_is() -> None:
    """A ConfigMap that somebody broke begins anew; one broken entry loses itself alone."""
    window = Bucket(0, 3600, 1, "sha256:1", 5, 0, 7, features={"x": (3, 4)})
    totals = of_version_1(since=60, sums=((0, Labels(3, 2, {1: (2, 1, 1)})),), windows=(window,))
    document = totals.document()
    assert WindowTotals.from_document(json.loads(json.dumps(document))) == totals
    [entry] = document["versions"]
    broken: Any
    for broken in (
        None,
        [],
        {},
        {**document, "upTo": []},
        {**document, "formatVersion": 1},
        {**document, "versions": 1},
    ):
        assert WindowTotals.from_document(broken) is None
    for broken in ({"sums": [{"start": 1}]}, {"chunkSeconds": 0}, {"windows": [{}]}):
        assert WindowTotals.from_document({**document, "versions": [{**entry, **broken}]}) is None
        both = WindowTotals.from_document({**document, "versions": [{**entry, **broken}, {**entry, "version": 2}]})
        assert both is not None
        assert [one.version for one in both.versions.values()] == [2]


def test_totals_of_9fe97bf_are_read() -> None:
    """One version's, with its points in time beside it."""
    sums = [{"start": 0, "count": 3, "correct": 2, "classes": [[1, 2, 1, 1]]}]
    head = {"formatVersion": 2, "version": 1, "digest": champion(1)["digest"], "upTo": {"pod": 600}}
    old = {**head, "chunkSeconds": 3600, "windowSeconds": 3600, "sums": sums, "windows": [], "tooLarge": False}
    assert WindowTotals.from_document(old) == of_version_1(sums=((0, Labels(3, 2, {1: (2, 1, 1)})),))


def test_another_version_or_window_begins_anew() -> None:
    """What was counted by another yardstick is not added."""
    window = Bucket(0, 3600, 1, champion(1)["digest"], 5, 0, 7)
    totals = of_version_1(sums=((0, Labels(3, 2)),), windows=(window,))
    assert window_totals.current(totals, [live()], 3600, 7 * 86400) == totals
    other = window_totals.current(totals, [live()], 86400, 7 * 86400)
    [before], [after] = totals.versions.values(), other.versions.values()
    assert (after.windows, after.sums, other.up_to) == ((), before.sums, totals.up_to)
    [anew] = window_totals.current(totals, [Live(version(2), "", START)], 3600, 7 * 86400).versions.values()
    assert anew.sums == ()
