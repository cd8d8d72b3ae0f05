"""What starts a run, once, whatever happens in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ropewalk.core.conditions import timestamp
from ropewalk.core.pipeline import Case

from .pipeline_world import CONFIG, START, World, example, published, trained


def idle(**spec: Any) -> World:
    """A Pipeline whose first run has ended."""
    world = World(example("tabular", **spec))
    world.settle()
    world.succeed(1)
    return world


def drifted(since: str, status: str = "True") -> dict[str, Any]:
    condition = {"type": "DataDrift", "status": status, "lastTransitionTime": since, "message": "mean_area drifted"}
    return {"metadata": {"name": "cancer", "uid": "md-uid"}, "status": {"conditions": [condition]}}


def test_a_request_is_acted_on_once() -> None:
    world = idle(triggers={"onSpecChange": True})
    world.annotate("run-requested-at", "2026-01-02T03:04:05Z")
    world.settle()
    world.succeed(2)
    world.later(hours=1)
    assert world.jobs() == ["1-run-1", "2-run-1"]
    assert world.status["history"][-1]["trigger"] == "Manual"
    assert world.status["handledRunRequest"] == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(("policy", "runs"), [("Forbid", 1), ("Queue", 2)])
def test_a_request_during_a_run(policy: str, runs: int) -> None:
    world = World(example("tabular", concurrencyPolicy=policy))
    world.settle()
    world.annotate("run-requested-at", "noon")
    world.settle()
    world.succeed(1)
    assert world.status["run"]["id"] == runs
    assert ("RunSkipped" in world.heard()) == (policy == "Forbid")


def test_nothing_starts_while_suspended() -> None:
    world = World(example("tabular", suspend=True, triggers={"schedule": {"cron": "*/5 * * * *"}}))
    assert world.settle() is None
    assert "suspended" in world.status["summary"]["message"]
    world.annotate("run-requested-at", "noon")
    world.later(hours=1)
    assert world.created == []
    world.edit(suspend=False)
    world.settle()
    assert world.status["run"]["trigger"] == "Manual"


def test_a_run_in_flight_goes_on_when_suspended() -> None:
    world = World(example("tabular"))
    world.settle()
    world.edit(suspend=True)
    world.succeed(1)
    assert world.status["champion"]["version"] == 1


def test_the_schedule_in_its_time_zone() -> None:
    world = idle(triggers={"schedule": {"cron": "30 4 * * *", "timeZone": "Europe/Berlin"}})
    assert world.status["nextScheduleTime"] == "2026-01-02T03:30:00Z"
    assert world.look().requeue_after == (datetime(2026, 1, 2, 3, 30, tzinfo=UTC) - START).total_seconds()
    world.later(minutes=25, seconds=54)
    assert world.status["run"]["id"] == 1
    world.later(seconds=1)
    assert (world.status["run"]["id"], world.status["run"]["trigger"]) == (2, "Schedule")
    assert world.status["lastScheduleTime"] == "2026-01-02T03:30:00Z"
    assert world.status["nextScheduleTime"] == "2026-01-03T03:30:00Z"


@pytest.mark.parametrize(
    ("cron", "day", "times"),
    [
        ("30 2 * * *", "2026-10-25", ["00:30"]),
        ("0,30 2,3 * * *", "2026-10-25", ["00:00", "00:30", "02:00", "02:30"]),
        ("0 */2 * * *", "2026-10-25", ["00:00", "01:00", "03:00"]),
        ("15 * * * *", "2026-10-25", ["00:15", "01:15", "02:15", "03:15"]),
        ("30 2 * * *", "2026-03-29", ["01:00"]),
        ("0 * * * *", "2026-03-29", ["00:00", "01:00", "02:00", "03:00"]),
    ],
)
def test_an_hour_that_the_clock_repeats_or_leaves_out(cron: str, day: str, times: list[str]) -> None:
    """As cron does: a time that comes twice counts at first sight, one that is left out comes with the change.

    What the hour field has a star for goes by hours that pass. Times are UTC, from 00:00 to 03:30.
    """
    world = idle(triggers={"schedule": {"cron": cron, "timeZone": "Europe/Berlin"}})
    world.now = datetime.fromisoformat(f"{day}T00:00:00+00:00") - timedelta(minutes=15)
    world.edit(suspend=True)
    world.settle()
    world.edit(suspend=False)
    world.settle()
    started = []
    for _ in range(15):
        world.later(minutes=15)
        if world.status["run"]["state"] == "Starting":
            assert world.status["lastScheduleTime"] == timestamp(world.now)
            assert world.status["nextScheduleTime"] > timestamp(world.now)
            started.append(f"{world.now:%H:%M}")
            world.succeed(world.status["run"]["id"])
    assert started == times


def test_missed_times_are_not_made_up_for() -> None:
    world = idle(triggers={"schedule": {"cron": "0 * * * *", "startingDeadline": "10m"}})
    world.now = datetime(2026, 1, 2, 9, 5, tzinfo=UTC)
    world.settle()
    assert (world.status["run"]["id"], world.status["lastScheduleTime"]) == (2, "2026-01-02T09:00:00Z")
    world.succeed(2)
    world.now = datetime(2026, 1, 2, 12, 30, tzinfo=UTC)
    world.settle()
    assert world.status["run"]["id"] == 2
    assert world.status["nextScheduleTime"] == "2026-01-02T13:00:00Z"
    assert "ScheduleMissed" in world.heard()


def test_a_schedule_that_comes_during_a_run_is_passed_over() -> None:
    world = idle(triggers={"schedule": {"cron": "*/5 * * * *"}})
    world.now = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
    world.settle()
    world.pod(world.running())
    assert world.later(minutes=6) == 1.0
    world.succeed(2)
    assert world.status["run"]["id"] == 2
    assert world.status["nextScheduleTime"] == "2026-01-02T03:15:00Z"
    assert world.heard().count("RunSkipped") == 1


@pytest.mark.parametrize(
    ("schedule", "wrong"),
    [({"cron": "61 * * * *"}, "61"), ({"cron": "0 2 * * *", "timeZone": "Mars/Olympus"}, "Mars/Olympus")],
)
def test_a_schedule_that_cannot_be_read_stalls_nothing_else(schedule: dict[str, str], wrong: str) -> None:
    world = idle(triggers={"schedule": schedule})
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert wrong in world.status["summary"]["message"]
    assert world.status["champion"]["version"] == 1


def test_drift_starts_a_run_once_and_a_person_promotes() -> None:
    world = idle()
    assert world.look().requeue_after == 60.0
    world.others["cancer"] = drifted("2026-01-02T04:00:00Z")
    world.later(hours=1)
    assert world.status["run"]["trigger"] == "Drift"
    assert "mean_area drifted" in world.status["run"]["reason"]
    world.succeed(2)
    assert world.status["champion"]["version"] == 1, "promotion after drift is Manual unless stated otherwise"
    assert "version 2 awaits promotion" in world.status["summary"]["message"]
    world.later(hours=1)
    assert world.status["run"]["id"] == 2, "this drift has been acted on"
    world.others["cancer"] = drifted("2026-01-02T05:30:00Z")
    world.settle()
    assert world.status["run"]["id"] == 3


def test_drift_waits_for_the_cooldown_and_for_new_data() -> None:
    world = idle(triggers={"drift": {"modelDeployments": ["cancer"], "cooldown": "10m", "promotion": "Automatic"}})
    world.others["cancer"] = drifted("2026-01-02T03:00:00Z")
    world.settle()
    assert world.status["run"]["id"] == 2
    said = {"v": 1, "outcome": "Skipped", "reason": "DriftUncured", "message": "the source has no new data"}
    world.succeed(0, trained("NotEvaluated"), said)
    assert (world.status["run"]["state"], world.status["history"][-1]["reason"]) == ("Skipped", "DriftUncured")
    world.later(minutes=9)
    assert world.status["run"]["id"] == 2
    world.later(minutes=1)
    assert world.status["run"]["id"] == 3, "the data may have come by now"
    world.succeed(2)
    assert world.status["champion"]["version"] == 2
    world.others["cancer"] = drifted("2026-01-02T04:00:00Z")
    world.later(hours=2)
    assert world.status["run"]["id"] == 3, "no more than maxPerDay (2)"


def test_other_runs_make_nobody_forget_those_of_drift() -> None:
    """History holds ten; the cooldown and the cap of a day hold however many runs of other kinds there are."""
    drift = {"modelDeployments": ["cancer"], "cooldown": "6h", "maxPerDay": 1, "promotion": "Automatic"}
    kept = {**example("tabular")["spec"]["artifacts"], "keep": {"runs": 100, "versions": 100}}
    world = idle(triggers={"drift": drift}, artifacts=kept)
    world.others["cancer"] = drifted("2026-01-02T03:00:00Z")
    world.settle()
    world.succeed(2)
    assert [h["trigger"] for h in world.status["history"]] == ["SpecChange", "Drift"]
    world.others["cancer"] = drifted("2026-01-02T03:04:06Z")
    for number in range(3, 14):
        world.annotate("run-requested-at", str(number))
        world.later(minutes=5)
        world.succeed(number)
    assert {h["trigger"] for h in world.status["history"]} == {"Manual"}, "it was too soon for a run of drift"
    world.later(hours=6)
    assert world.status["run"]["trigger"] == "Manual", "one a day"
    world.later(hours=18)
    assert world.status["run"]["trigger"] == "Drift"


@pytest.mark.parametrize("ending", ["failed", "not blessed"])
def test_drift_that_a_run_has_not_answered_starts_another(ending: str) -> None:
    """After the cooldown, while it lasts; one that a version has answered waits for a person instead."""
    world = idle(triggers={"drift": {"modelDeployments": ["cancer"], "cooldown": "1h", "maxPerDay": 5}})
    world.others["cancer"] = drifted("2026-01-02T03:00:00Z")
    world.settle()
    if ending == "failed":
        world.fail(65)
    else:
        world.succeed(0, trained("NotBlessed"), {"v": 1, "outcome": "Skipped", "reason": "NotBlessed"})
    world.later(minutes=59)
    assert world.status["run"]["id"] == 2
    world.later(minutes=1)
    assert (world.status["run"]["id"], world.status["run"]["trigger"]) == (3, "Drift")
    world.succeed(2)
    world.later(hours=3)
    assert world.status["run"]["id"] == 3, "version 2 awaits promotion"


def test_a_version_of_any_later_run_answers_the_drift() -> None:
    """A person has mended the spec; the deployment has not switched yet, or waits for a promotion."""
    world = idle(triggers={"drift": {"modelDeployments": ["cancer"], "cooldown": "6h", "maxPerDay": 5}})
    world.others["cancer"] = drifted("2026-01-02T03:00:00Z")
    world.settle()
    world.fail(65)
    world.later(hours=1)
    world.annotate("run-requested-at", "now")
    world.settle()
    assert (world.status["run"]["id"], world.status["run"]["trigger"]) == (3, "Manual")
    world.succeed(2)
    world.later(hours=6)
    assert world.status["run"]["id"] == 3


@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_no_drift_is_no_reason(status: str) -> None:
    world = idle()
    world.others["cancer"] = drifted("2026-01-02T04:00:00Z", status)
    world.later(hours=1)
    assert world.status["run"]["id"] == 1


def test_what_could_not_be_read_decides_nothing() -> None:
    world = World(example("tabular"))
    world.settle()
    observed = replace(world.observe(), children=(), unknown=frozenset({"Job"}))
    found = Case(observed.owner, CONFIG).plan(observed, world.now)
    assert (found.effects, found.status, found.requeue_after) == ((), None, 5.0)


def _life(crash_at: int | None) -> World:
    """Retry, success, a request, a run out of time, a spec change: each kind of write at least once."""
    world = World(example("tabular", timeouts={"startup": "1m", "run": "1h"}), crash_at)
    world.settle()
    world.fail(75)
    world.later(seconds=31)
    world.pod(world.running())
    world.settle()
    world.succeed(1)
    world.annotate("run-requested-at", "noon")
    world.settle()
    world.pod(world.running())
    world.settle()
    world.later(hours=1)
    world.edit(validate={"rows": {"min": 50}})
    world.settle()
    world.succeed(2, smoke=published(2))
    world.annotate("run-requested-at", "two")
    world.settle()
    world.succeed(3)
    return world


def test_a_crash_at_any_write_changes_nothing_in_the_end() -> None:
    calm = _life(None)
    assert calm.jobs() == ["1-run-1", "1-run-2", "2-run-1", "3-run-1", "4-run-1"]
    assert calm.status["champion"]["version"] == 3
    assert calm.writes > 20
    for crash_at in range(1, calm.writes + 1):
        world = _life(crash_at)
        assert world.created == calm.created, f"crash at write {crash_at}"
        assert world.deleted == calm.deleted, f"crash at write {crash_at}"
        assert world.status == calm.status, f"crash at write {crash_at}"
