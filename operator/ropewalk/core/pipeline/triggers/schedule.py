"""The trigger of the clock: `triggers.schedule`, a cron expression in a time zone; no backfill."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ropewalk.core.plan import Event
from ropewalk.core.quantities import duration, words
from ropewalk_contract import reasons
from ropewalk_contract.api.pipeline import PipelineSpec

from ..situation import Situation
from ..state import PipelineState
from ..step import Step
from .trigger import SCHEDULE, Trigger, halted

CLOCK_CHANGE = timedelta(hours=3)
"""More than any change of a clock: what it may show twice is looked for in whole."""


def next_tick(spec: PipelineSpec, after: datetime) -> datetime | None:
    """The schedule's next time after `after` in UTC; None without a schedule that can be read."""
    schedule = spec.triggers.schedule
    if schedule is None:
        return None
    try:
        ticks = CronSim(schedule.cron, after.astimezone(ZoneInfo(schedule.time_zone or "UTC")))
        # NB: in the hour that the clock repeats, CronSim goes by what the clock shows and may answer with the past.
        return next(tick for tick in (one.astimezone(UTC) for one in ticks) if tick > after)
    except (CronSimError, StopIteration, ValueError, OSError, KeyError):
        return None


def schedule_problem(spec: PipelineSpec) -> str:
    """What is wrong with the schedule, in words; empty when nothing is."""
    schedule = spec.triggers.schedule
    if schedule is None:
        return ""
    try:
        ZoneInfo(schedule.time_zone or "UTC")
    except (ValueError, OSError, KeyError):
        return f"triggers.schedule.timeZone: no time zone is called {schedule.time_zone!r}"
    try:
        CronSim(schedule.cron, datetime(2026, 1, 1))
    except CronSimError as error:
        return f"triggers.schedule.cron: {schedule.cron!r} is no cron expression ({error})"
    return ""


def _last_tick(spec: PipelineSpec, now: datetime) -> datetime | None:
    """The schedule's latest time not after `now`."""
    schedule = spec.triggers.schedule
    if schedule is None:
        return None
    try:
        later = (now + CLOCK_CHANGE).astimezone(ZoneInfo(schedule.time_zone or "UTC")).replace(microsecond=0)
        ticks = CronSim(schedule.cron, later, reverse=True)
        return next(tick for tick in (one.astimezone(UTC) for one in ticks) if tick <= now)
    except (CronSimError, StopIteration):
        return None


def settled(situation: Situation) -> Step:
    """The state with the schedule's next time as it should stand; what was missed by too much is passed over.

    There is no backfill: of several missed times the latest counts, and one missed while suspended or halted
    does not.
    """
    spec, state, now = situation.spec, situation.state, situation.now
    upcoming = next_tick(spec, now)
    if upcoming is None or spec.suspend:
        return Step(replace(state, next_schedule=None))
    stored = state.next_schedule
    rewritten = stored is None or next_tick(spec, stored - timedelta(seconds=1)) != stored
    if stored is None or rewritten or stored > now or halted(spec, state):
        return Step(replace(state, next_schedule=upcoming))
    latest = max(stored, _last_tick(spec, now) or stored)
    schedule = spec.triggers.schedule
    deadline = duration(schedule.starting_deadline) if schedule and schedule.starting_deadline else None
    if deadline is not None and now - latest > deadline:
        text = f"scheduled for {latest:%Y-%m-%dT%H:%M:%SZ}, missed by more than {words(deadline)}"
        event = Event("Warning", reasons.SCHEDULE_MISSED, text)
        return Step(replace(state, next_schedule=upcoming), events=(event,))
    return Step(state)


def schedule(situation: Situation, state: PipelineState) -> Trigger | None:
    """A run for the latest time that has passed; expects a state of `settled`."""
    spec, stored, now = situation.spec, state.next_schedule, situation.now
    if stored is None or stored > now:
        return None
    latest = max(stored, _last_tick(spec, now) or stored)
    handled = replace(state, last_schedule=latest, next_schedule=next_tick(spec, now))
    return Trigger(SCHEDULE, f"scheduled for {latest:%Y-%m-%dT%H:%M:%SZ}", handled)
