"""How a run ends: its entry in history, the champion, and what the Events say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from ropewalk.core.conditions import clip, timestamp
from ropewalk.core.jobs.waits import Waiting
from ropewalk.core.objects import name_of
from ropewalk.core.plan import Event
from ropewalk.core.quantities import words
from ropewalk_contract.api import conditions as api
from ropewalk_contract.api.pipeline import PipelineSpec

from ..situation import Situation
from ..state import FAILED, NOT_BLESSED, SKIPPED, SUCCEEDED, PipelineState, Run, metric_list
from ..step import Step, recorded
from ..triggers.trigger import DRIFT
from . import champion, stages
from .attempts import Success


def succeeded(situation: Situation, state: PipelineState, run: Run, success: Success) -> Step:
    """Record the end of a run that came to it: Succeeded, NotBlessed or Skipped."""
    now = situation.now
    train, smoke = success.train, success.smoke
    result, reason, message = SUCCEEDED, api.RUN_SUCCEEDED, ""
    if train.blessing == api.NOT_BLESSED:
        result, reason = NOT_BLESSED, train.reason or api.NOT_BLESSED
        message = "; ".join(train.reasons) or train.message
    elif smoke.outcome == "Skipped":
        result, reason, message = SKIPPED, smoke.reason or train.reason or "Skipped", smoke.message or train.message
    elif train.reasons:
        message = "; ".join(train.reasons)
    ended = replace(
        run,
        state=result,
        message=clip(message, 600),
        waiting="",
        finished_at=now,
        blessing=train.blessing,
        data_fingerprint=train.data_fingerprint,
        metrics=train.metrics,
        stages=stages.ended(run.stages, failed=False),
        failure=None,
        retry_at=None,
    )
    entry = _entry(ended, reason, now)
    if train.record[0]:
        entry["record"] = {"uri": train.record[0], "digest": train.record[1]}
    if smoke.outcome == "Succeeded":
        version = {"uri": smoke.uri, "digest": smoke.digest, "manifestDigest": smoke.manifest_digest}
        entry |= {"version": smoke.version, **{k: v for k, v in version.items() if v}}
        entry["engines"] = list(smoke.engines)
    state = replace(state, run=ended, anomalies=train.anomalies, consecutive_failures=0).with_history(entry)
    state = _drift_answered(state, run, int(entry.get("version") or 0), now)
    text = f"run {run.id} of {name_of(situation.owner)}: {result}" + (f" ({message})" if message else "")
    events = [Event("Normal" if result == SUCCEEDED else "Warning", reason, text)]
    if result == SUCCEEDED and smoke.version:
        if train.blessing == api.BLESSED_REASON and _automatic(situation.spec, run):
            promoted = champion.promoted(situation, state, entry)
            state = promoted.state
            events += promoted.events
        else:
            text = champion.awaiting(situation.owner, smoke.version)
            events.append(Event("Normal", api.AWAITING_PROMOTION, text))
    return recorded(state, "the run succeeded", events=tuple(events))


def superseded(run: Run, wait: Waiting, now: datetime) -> Run:
    """A run that could not begin makes way for one of the new spec."""
    text = clip(f"the spec was changed before it could begin ({wait.reason}: {wait.message})", 600)
    failure = {"reason": api.SUPERSEDED, "message": text}
    return replace(run, state=FAILED, finished_at=now, message=text, failure=failure)


def failed(situation: Situation, state: PipelineState, run: Run) -> Step:
    """Record the end of a run whose last attempt failed, or that was given up."""
    now = situation.now
    run = replace(run, waiting="", stages=stages.ended(run.stages, failed=True))
    failure = run.failure or {}
    reason = str(failure.get("reason") or run.state)
    failures = state.consecutive_failures + (run.state == FAILED and reason != api.SUPERSEDED)
    state = replace(state, run=run, consecutive_failures=failures).with_history(_entry(run, reason, now))
    state = _drift_answered(state, run, 0, now)
    text = f"run {run.id} of {name_of(situation.owner)}: {run.message}"
    return recorded(state, "the run failed", events=(Event("Warning", api.RUN_FAILED, text),))


def _drift_answered(state: PipelineState, run: Run, version: int, now: datetime) -> PipelineState:
    """What came of the last run that drift started; a version that another run gave since answers that drift too."""
    runs = state.drift_runs
    if run.trigger == DRIFT:
        runs = replace(runs, finished_at=now, version=version)
    elif version and runs.finished_at is not None:
        runs = replace(runs, version=version)
    return replace(state, drift_runs=runs)


def _automatic(spec: PipelineSpec, run: Run) -> bool:
    if run.trigger == DRIFT and spec.triggers.drift is not None:
        return spec.triggers.drift.promotion == "Automatic"
    return spec.promotion == "Automatic"


def _entry(run: Run, reason: str, now: datetime) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": run.id,
        "trigger": run.trigger,
        "result": run.state,
        "reason": reason,
        "message": run.message,
        "startedAt": timestamp(run.started_at),
        "finishedAt": timestamp(run.finished_at or now),
        "duration": words((run.finished_at or now) - run.started_at),
        "metrics": metric_list(run.metrics),
        "dataFingerprint": run.data_fingerprint,
    }
    return {k: v for k, v in entry.items() if v not in (None, "", [])}
