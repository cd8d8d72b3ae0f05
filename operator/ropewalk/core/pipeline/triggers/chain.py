"""Why a run starts. Every trigger is a level: a comparison of what is wanted with what status says was handled (D9).

A handled annotation is recorded with the value it had, a handled drift with the time it began, a schedule with its
next time; so a trigger is acted on once, whatever crashed in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ropewalk.core import names
from ropewalk.core.conditions import clip, find
from ropewalk.core.kinds import MODEL_DEPLOYMENT
from ropewalk.core.objects import metadata, name_of
from ropewalk.core.plan import Event, Json, Ref
from ropewalk.core.quantities import duration, words
from ropewalk_contract import reasons
from ropewalk_contract.api.pipeline import PipelineSpec

from ..state import DAY, PipelineState

RUN_REQUESTED_AT = f"{names.GROUP}/run-requested-at"
SPEC_CHANGE, MANUAL, DRIFT, SCHEDULE = "SpecChange", "Manual", "Drift", "Schedule"
MAX_DRIFTS = 16
"""As many as `triggers.drift.modelDeployments` may name: each has one."""
CLOCK_CHANGE = timedelta(hours=3)
"""More than any change of a clock: what it may show twice is looked for in whole."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A reason to run, and the ledger in which it counts as handled."""

    type: str
    reason: str
    handled: PipelineState


def annotation(owner: Json, key: str) -> str:
    """An annotation's value, bounded, or an empty string."""
    found = metadata(owner).get("annotations")
    return str(found.get(key, ""))[:256] if isinstance(found, dict) else ""


def halted(spec: PipelineSpec, state: PipelineState) -> bool:
    """So many runs have failed in a row that only a person starts another one."""
    return state.consecutive_failures >= spec.stop_after_failures


def due(
    owner: Json,
    spec: PipelineSpec,
    spec_hash: str,
    state: PipelineState,
    related: Mapping[Ref, Json | None],
    now: datetime,
) -> Trigger | None:
    """The first trigger that asks for a run now: a person, the spec, drift, the clock. Suspended: none."""
    if spec.suspend:
        return None
    stopped = halted(spec, state)
    return (
        _manual(owner, state)
        or _spec_change(spec, spec_hash, state)
        or (None if stopped else _drift(spec, state, related, now))
        or (None if stopped else _schedule(spec, state, now))
    )


def _manual(owner: Json, state: PipelineState) -> Trigger | None:
    wanted = annotation(owner, RUN_REQUESTED_AT)
    if not wanted or wanted == state.handled_run_request:
        return None
    return Trigger(MANUAL, f"requested at {clip(wanted, 64)}", replace(state, handled_run_request=wanted))


def _spec_change(spec: PipelineSpec, spec_hash: str, state: PipelineState) -> Trigger | None:
    if not spec.triggers.on_spec_change or (state.run and state.run.spec_hash == spec_hash):
        return None
    return Trigger(SPEC_CHANGE, "the spec changed" if state.run else "first run", state)


def _drift(
    spec: PipelineSpec, state: PipelineState, related: Mapping[Ref, Json | None], now: datetime
) -> Trigger | None:
    policy = spec.triggers.drift
    if policy is None:
        return None
    runs = state.drift_runs
    if runs.finished_at is not None and now - runs.finished_at < duration(policy.cooldown):
        return None
    if sum(now - moment < DAY for moment in runs.started) >= policy.max_per_day:
        return None
    # A run that gave no version (it failed, was not blessed, or found no new data) has not answered the drift.
    unanswered = runs.finished_at is not None and not runs.version
    for name in policy.model_deployments:
        found = related.get(MODEL_DEPLOYMENT.ref(name))
        condition = find((found or {}).get("status", {}).get("conditions"), "DataDrift") if found else None
        if condition is None or condition.get("status") != "True":
            continue
        this = f"{name}/{metadata(found or {}).get('uid', '')}/{condition.get('lastTransitionTime', '')}"
        if this in state.handled_drift and not unanswered:
            continue
        others = tuple(h for h in state.handled_drift if not h.startswith(f"{name}/"))
        message = clip(f"{name}: {condition.get('message') or condition.get('reason') or 'drifted'}", 256)
        handled = replace(state, handled_drift=(*others, this)[-MAX_DRIFTS:], drift_runs=runs.with_start(now))
        return Trigger(DRIFT, message, handled)
    return None


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


def settled_schedule(
    spec: PipelineSpec, state: PipelineState, now: datetime
) -> tuple[PipelineState, tuple[Event, ...]]:
    """The ledger with the schedule's next time as it should stand; what was missed by too much is passed over.

    There is no backfill: of several missed times the latest counts, and one missed while suspended or halted
    does not.
    """
    upcoming = next_tick(spec, now)
    if upcoming is None or spec.suspend:
        return replace(state, next_schedule=None), ()
    stored = state.next_schedule
    rewritten = stored is None or next_tick(spec, stored - timedelta(seconds=1)) != stored
    if stored is None or rewritten or stored > now or halted(spec, state):
        return replace(state, next_schedule=upcoming), ()
    latest = max(stored, _last_tick(spec, now) or stored)
    schedule = spec.triggers.schedule
    deadline = duration(schedule.starting_deadline) if schedule and schedule.starting_deadline else None
    if deadline is not None and now - latest > deadline:
        text = f"scheduled for {latest:%Y-%m-%dT%H:%M:%SZ}, missed by more than {words(deadline)}"
        return replace(state, next_schedule=upcoming), (Event("Warning", reasons.SCHEDULE_MISSED, text),)
    return state, ()


def _schedule(spec: PipelineSpec, state: PipelineState, now: datetime) -> Trigger | None:
    """Expects a settled ledger."""
    stored = state.next_schedule
    if stored is None or stored > now:
        return None
    latest = max(stored, _last_tick(spec, now) or stored)
    handled = replace(state, last_schedule=latest, next_schedule=next_tick(spec, now))
    return Trigger(SCHEDULE, f"scheduled for {latest:%Y-%m-%dT%H:%M:%SZ}", handled)


def skipped(
    owner: Json, spec: PipelineSpec, state: PipelineState, now: datetime
) -> tuple[PipelineState, tuple[Event, ...]]:
    """Forbid: what a person or the clock asks for during a run is passed over, and said so."""
    events: list[Event] = []
    for trigger in (_manual(owner, state), _schedule(spec, state, now)):
        if trigger is not None and not spec.suspend:
            last = state.last_schedule
            state = replace(
                state,
                handled_run_request=trigger.handled.handled_run_request,
                next_schedule=trigger.handled.next_schedule,
                last_schedule=last,
            )
            text = f"{trigger.type} run of {name_of(owner)} not started: one is in progress (concurrencyPolicy: Forbid)"
            events.append(Event("Warning", reasons.RUN_SKIPPED, text))
    return state, tuple(events)
