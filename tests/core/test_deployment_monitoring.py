"""What is concluded from the pods' windows: traffic, drift over disjoint windows, quality by labels."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ropewalk.core.deployment import Case
from ropewalk.core.deployment.observe.pods import BASELINE_PATH
from tests.core.deployment_world import CONFIG, World, champion
from tests.core.monitoring_world import LABELS, drift_of, minute, watched


def test_drift_is_a_condition_with_feature_score_threshold_and_rows() -> None:
    """And quality by the labels that came in, and an Event, once."""
    world = watched()
    minute(world, 3.0, LABELS)
    drift = world.condition("DataDrift")
    assert (drift["status"], drift["reason"]) == ("True", "Drifted")
    for word in ("x", "0.2", "300"):
        assert word in drift["message"]
    assert world.status["summary"]["drift"].startswith("x ")
    assert world.status["traffic"]["requestsPerSecond"] == "5"
    assert world.status["summary"]["errors"] == "0.01"
    metrics = {m["name"]: float(m["value"]) for m in world.status["performance"]["metrics"]}
    assert metrics["accuracy"] == 0.9
    assert metrics["precision"] == pytest.approx((15 / 17 + 12 / 13) / 2, abs=1e-4)
    assert metrics["recall"] == pytest.approx((15 / 16 + 12 / 14) / 2, abs=1e-4)
    assert world.status["summary"]["accuracy"] == "0.900 (30)"
    assert [event.reason for event in world.events if event.reason == "Drifted"] == ["Drifted"]


def test_no_drift_is_said_too_and_few_rows_say_nothing() -> None:
    """Stable is a finding; too little traffic is none, and what was found before stands."""
    world = watched()
    minute(world, 3.0, rows=50)
    assert world.condition("DataDrift")["status"] == "Unknown"
    minute(world, 0.0)
    assert world.condition("DataDrift")["reason"] == "Stable"
    minute(world, 3.0, rows=50)
    assert world.condition("DataDrift")["reason"] == "Stable"


def test_drift_is_told_only_after_as_many_windows_in_a_row_as_asked_for() -> None:
    """One odd minute is no alarm, and one good one ends it."""
    world = watched(consecutiveWindows=2)
    assert drift_of(world, [3.0, 0.0, 3.0, 3.0, 0.0]) == ["Unknown", "False", "False", "True", "False"]


def test_windows_in_a_row_are_counted_beyond_what_pods_remember() -> None:
    """A window that was judged is not forgotten with the pod that saw it, and not counted twice."""
    world = watched(consecutiveWindows=2)
    minute(world, 3.0)
    assert world.condition("DataDrift")["status"] == "Unknown"
    world.servers[0].windows.clear()
    world.settle()
    minute(world, 3.0)
    assert world.condition("DataDrift")["status"] == "True"
    assert world.status["drift"]["consecutiveWindows"] == 2


def test_the_same_traffic_minute_by_minute_is_written_once() -> None:
    """Numbers that are about what they were are no news."""
    world = watched()
    minute(world, 0.0)
    before = world.writes
    for _ in range(5):
        minute(world, 0.0)
    assert world.writes == before


def baselines(world: World) -> dict[int, Any]:
    """The stored baselines by version, the live one first."""
    stored = json.loads(world.objects["ConfigMap", "cancer-baseline"]["data"]["baseline.json"])
    return {one["version"]: one["baseline"] for one in stored["versions"]}


def test_a_baseline_is_read_once_and_kept() -> None:
    """And read anew for another version."""
    world = watched()
    minute(world, 0.0)
    assert world.baseline_reads == 1
    assert baselines(world) == {1: world.baseline}
    assert world.pipeline is not None
    world.pipeline["status"]["champion"] = champion(2)
    world.settle()
    assert list(baselines(world)) == [2, 1], "the former one's stays, for a way back"
    assert BASELINE_PATH not in {r.path for r in Case(world.owner, CONFIG).scrapes(tuple(world.objects.values()))}


def test_labels_outlive_the_pods_that_counted_them() -> None:
    """Hours that closed are kept in a ConfigMap, and no label counts twice."""
    world = watched()
    world.now = world.now.replace(minute=10)
    minute(world, 0.0, LABELS)
    assert ("ConfigMap", "cancer-labels") not in world.objects
    world.now += timedelta(hours=1)
    minute(world, 0.0, LABELS)
    assert world.status["performance"]["labels"] == 60
    [kept] = json.loads(world.objects["ConfigMap", "cancer-labels"]["data"]["labels.json"])["versions"]
    assert len(kept["sums"]) == 1
    world.servers[0].windows.clear()
    minute(world, 0.0, {"count": 30, "correct": 0, "classes": [[0, 16, 14, 0], [1, 14, 16, 0]]})
    assert world.status["performance"]["labels"] == 60
    accuracy = next(m for m in world.status["performance"]["metrics"] if m["name"] == "accuracy")
    assert float(accuracy["value"]) == 0.45


def test_an_unreachable_pod_changes_no_number() -> None:
    """Unknown is not zero."""
    world = watched()
    minute(world, 3.0, LABELS)
    traffic = world.status["traffic"]
    world.servers[0].mute = "TimeoutError: "
    world.now += timedelta(minutes=5)
    world.settle()
    assert world.status["traffic"] == traffic
    assert world.condition("DataDrift")["status"] == "True"
    assert (world.condition("Observed")["status"], world.condition("Observed")["reason"]) == ("False", "Unreachable")


def test_what_pods_cannot_tell_is_said_where_people_look() -> None:
    """With the reason, in the condition and in MESSAGE."""
    world = watched()
    minute(world, 0.0)
    world.servers[0].mute = "ValueError: the answer has more than 4194304 bytes"
    world.settle()
    for text in (world.condition("Observed")["message"], world.status["summary"]["message"]):
        assert "cancer-server-abc-0" in text
        assert "more than 4194304 bytes" in text
    world.servers[0].mute, world.servers[0].lost_before = "", int(world.now.timestamp()) + 60
    world.settle()
    assert "the oldest are lost" in world.status["summary"]["message"]


def test_a_clock_that_is_late_is_waited_for_or_named() -> None:
    """A little: a window is judged when every pod has closed it. Much: nobody waits."""
    world = watched()
    world.servers[0].behind = 30
    minute(world, 3.0)
    assert world.condition("DataDrift")["status"] == "Unknown"
    world.now += timedelta(seconds=30)
    world.settle()
    assert world.condition("DataDrift")["status"] == "True"
    world.servers[0].behind = 600
    world.settle()
    assert "(its clock is more than 180 s behind)" in world.condition("Observed")["message"]


def test_a_verdict_does_not_outlive_the_traffic() -> None:
    """Nobody knows how data are now after three windows without any; it is written once."""
    world = watched()
    minute(world, 3.0)
    assert world.condition("DataDrift")["status"] == "True"
    world.now += timedelta(minutes=2)
    world.settle()
    assert world.condition("DataDrift")["status"] == "True"
    world.now += timedelta(minutes=1)
    world.settle()
    assert (world.condition("DataDrift")["status"], world.condition("DataDrift")["reason"]) == (
        "Unknown",
        "Inconclusive",
    )
    assert "drift" not in world.status["summary"]
    before = world.status["drift"]
    world.now += timedelta(days=30)
    world.settle()
    assert world.status["drift"] == before
    minute(world, 3.0)
    assert world.condition("DataDrift")["status"] == "True"


def test_the_same_verdict_again_and_again_stands_while_traffic_goes_on() -> None:
    """Its time is not rewritten, and still it is not old."""
    world = watched()
    assert drift_of(world, [3.0] * 6) == ["True"] * 6


def test_accuracy_does_not_outlive_its_window() -> None:
    """Labels of another week say nothing about this one."""
    world = watched()
    minute(world, 0.0, LABELS)
    assert world.status["summary"]["accuracy"] == "0.900 (30)"
    world.now += timedelta(days=8)
    minute(world, 0.0)
    assert "performance" not in world.status
    assert "accuracy" not in world.status["summary"]


def test_precision_and_recall_are_the_positive_classs_where_there_is_one() -> None:
    """As the Pipeline's evaluation has them."""
    world = watched()
    assert world.baseline is not None
    world.baseline["positive"] = "b"
    minute(world, 0.0, LABELS)
    metrics = {m["name"]: float(m["value"]) for m in world.status["performance"]["metrics"]}
    assert metrics["precision"] == pytest.approx(12 / 13, abs=1e-4)
    assert metrics["recall"] == pytest.approx(12 / 14, abs=1e-4)


def test_a_feature_that_no_version_has_is_named() -> None:
    """With the field, and what there is; the other features are judged all the same."""
    world = watched(features=["x_typo"])
    minute(world, 3.0)
    drift = world.condition("DataDrift")
    assert (drift["status"], drift["reason"]) == ("Unknown", "UnknownFeature")
    for word in ("spec.monitor.drift.features", "'x_typo'", "version 1", "it has x"):
        assert word in drift["message"]
        assert word in world.status["summary"]["message"]
    world = watched(features=["x", "x_typo"])
    minute(world, 3.0)
    assert world.condition("DataDrift")["status"] == "True"
    assert "'x_typo'" in world.status["summary"]["message"]


def test_too_little_traffic_names_the_gates() -> None:
    """Field, value and what helps."""
    world = watched()
    minute(world, 3.0, rows=50)
    message = world.condition("DataDrift")["message"]
    assert message.startswith(
        "50 rows in the last window of 1m; spec.monitor asks for minSamples 100 in minRequests 10"
    )
