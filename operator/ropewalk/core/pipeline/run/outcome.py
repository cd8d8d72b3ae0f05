"""How a run ends: its entry in history, the champion, and what the Events say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from ropewalk.core import names
from ropewalk.core.conditions import clip, timestamp
from ropewalk.core.jobs.waits import Waiting
from ropewalk.core.objects import name_of
from ropewalk.core.plan import Event, Json
from ropewalk.core.quantities import words
from ropewalk_contract.api import conditions as api
from ropewalk_contract.api.pipeline import PipelineSpec

from ..state import FAILED, NOT_BLESSED, SKIPPED, SUCCEEDED, PipelineState, Run, metric_list
from ..triggers.trigger import DRIFT, annotation
from .attempts import Success

PROMOTE = f"{names.GROUP}/promote"
COPIED = ("version", "uri", "digest", "manifestDigest", "dataFingerprint", "metrics", "engines")


def succeeded(
    owner: Json, spec: PipelineSpec, state: PipelineState, run: Run, success: Success, now: datetime
) -> tuple[PipelineState, tuple[Event, ...]]:
    """The ledger after a run that came to its end: Succeeded, NotBlessed or Skipped."""
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
    text = f"run {run.id} of {name_of(owner)}: {result}" + (f" ({message})" if message else "")
    events = [Event("Normal" if result == SUCCEEDED else "Warning", reason, text)]
    if result == SUCCEEDED and smoke.version:
        if train.blessing == api.BLESSED_REASON and _automatic(spec, run):
            state, promoted = _promoted(owner, state, entry, now)
            events.append(promoted)
        else:
            events.append(Event("Normal", api.AWAITING_PROMOTION, awaiting(owner, smoke.version)))
    return state, tuple(events)


def superseded(run: Run, wait: Waiting, now: datetime) -> Run:
    """A run that could not begin makes way for one of the new spec."""
    text = clip(f"the spec was changed before it could begin ({wait.reason}: {wait.message})", 600)
    failure = {"reason": api.SUPERSEDED, "message": text}
    return replace(run, state=FAILED, finished_at=now, message=text, failure=failure)


def failed(owner: Json, state: PipelineState, run: Run, now: datetime) -> tuple[PipelineState, tuple[Event, ...]]:
    """The ledger after a run whose last attempt failed, or that was given up."""
    failure = run.failure or {}
    reason = str(failure.get("reason") or run.state)
    failures = state.consecutive_failures + (run.state == FAILED and reason != api.SUPERSEDED)
    state = replace(state, run=run, consecutive_failures=failures).with_history(_entry(run, reason, now))
    state = _drift_answered(state, run, 0, now)
    return state, (Event("Warning", api.RUN_FAILED, f"run {run.id} of {name_of(owner)}: {run.message}"),)


def _drift_answered(state: PipelineState, run: Run, version: int, now: datetime) -> PipelineState:
    """What came of the last run that drift started; a version that another run gave since answers that drift too."""
    runs = state.drift_runs
    if run.trigger == DRIFT:
        runs = replace(runs, finished_at=now, version=version)
    elif version and runs.finished_at is not None:
        runs = replace(runs, version=version)
    return replace(state, drift_runs=runs)


def promoted_by_hand(owner: Json, state: PipelineState, now: datetime) -> tuple[PipelineState, tuple[Event, ...]]:
    """Act on the annotation `ropewalk.dev/promote: "VERSION"`, once for each value it is given.

    To set it to the value that it has changes nothing that anybody could see, so a version that is promoted once more
    takes another one: `VERSION@ANYTHING`. A version that is not there yet is refused once and promoted when a run
    has made it.
    """
    wanted = annotation(owner, PROMOTE)
    refused, before = clip(f"unknown: {wanted}", 256), state.handled_promotion
    if wanted == before:
        return state, ()
    state = replace(state, handled_promotion=wanted)
    version = wanted.partition("@")[0]
    if not wanted or (state.champion and str(state.champion.get("version")) == version):
        return state, ()
    entry = next((h for h in reversed(state.history) if h.get("uri") and str(h.get("version")) == version), None)
    if entry is None:
        state = replace(state, handled_promotion=refused)
        if before == refused:
            return state, ()
        known = sorted({str(h["version"]) for h in state.history if h.get("version")}, key=int)
        text = (
            f"{PROMOTE}={wanted!r} names no version of this Pipeline's history; there are {', '.join(known) or 'none'}"
        )
        return state, (Event("Warning", api.PROMOTION_REFUSED, text),)
    state, event = _promoted(owner, state, entry, now)
    return state, (event,)


def awaiting(owner: Json, version: int) -> str:
    """That a version waits for a person, and what to do."""
    return f"version {version} awaits promotion: {promotion(owner, str(version))}"


def promotion(owner: Json, version: str) -> str:
    """The command that promotes a version, also one that the annotation names already."""
    named, _, count = annotation(owner, PROMOTE).partition("@")
    again = f"@{int(count) + 1 if count.isascii() and count.isdigit() else 2}" if named == version else ""
    return f"kubectl annotate --overwrite pipeline {name_of(owner)} {PROMOTE}={version}{again}"


def _promoted(owner: Json, state: PipelineState, entry: Json, now: datetime) -> tuple[PipelineState, Event]:
    champion = {k: entry[k] for k in COPIED if entry.get(k)}
    champion |= {"promotedAt": timestamp(now), "runId": entry["id"]}
    if state.champion:
        champion["replaced"] = {k: v for k, v in state.champion.items() if k not in ("replaced", "reason")}
    text = f"version {entry['version']} of {name_of(owner)} is the champion"
    named = annotation(owner, PROMOTE).partition("@")[0]
    if state.champion and named == str(state.champion.get("version")) != str(entry["version"]):
        text += f"; to have version {named} back: {promotion(owner, named)}"
    return replace(state, champion=champion), Event("Normal", api.PROMOTED, text)


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
