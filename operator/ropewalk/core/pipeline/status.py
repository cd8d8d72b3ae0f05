"""The status of a Pipeline: the ledger as it is stored, and what is derived from it for people and tools."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ValidationError

from ropewalk_contract.api import conditions as api
from ropewalk_contract.api.pipeline import PipelineSpec

from ..conditions import Condition, clip, set_conditions, timestamp
from ..jobs.container_end import DATA_ERROR
from ..objects import metadata, name_of
from ..plan import Json
from .parts import planner
from .run.champion import awaiting
from .run.stages import current
from .situation import Situation
from .state import FAILED, NOT_BLESSED, SKIPPED, SUCCEEDED, PipelineState, Run, write
from .triggers.manual import RUN_REQUESTED_AT
from .triggers.schedule import schedule_problem
from .triggers.trigger import halted

LAST_RUN = (api.DATA_VALID, api.BLESSED)
"""Conditions about the last run that has ended: they stay while the next one is in flight."""


def document(situation: Situation, state: PipelineState) -> dict[str, Any]:
    """The whole status, as all phases have left the state."""
    owner, spec, generation, run = situation.owner, situation.spec, situation.generation, state.run
    problem = planner.problem(spec) or schedule_problem(spec)
    job_name = planner.job_name(owner, run) if run else ""
    found = _conditions(owner, spec, state, problem)
    previous = (owner.get("status") or {}).get("conditions") or ()
    conditions = set_conditions(previous, found, generation=generation, now=situation.now)
    if run is not None and run.active:
        conditions += [dict(c) for c in previous if c.get("type") in LAST_RUN]
    return {
        "observedGeneration": generation,
        **write(state, job_name),
        "summary": _summary(owner, spec, state, problem),
        "conditions": conditions,
    }


def of_invalid_spec(owner: Json, error: ValidationError, now: datetime) -> dict[str, Any]:
    """The status with a spec that the CRD let through and this operator cannot read: said once, acted on never."""
    first = error.errors()[0]
    where = ".".join(["spec", *(str(part) for part in first["loc"])])
    message = f"{where}: {first['msg']}; nothing is started until it is corrected"
    before = dict(owner.get("status") or {})
    kept = [c for c in before.get("conditions") or () if c.get("type") != api.STALLED]
    generation = int(metadata(owner).get("generation") or 0)
    condition = Condition(api.STALLED, "True", api.INVALID_SPEC, message)
    new = set_conditions(before.get("conditions") or (), [condition], generation=generation, now=now)
    summary = {**(before.get("summary") or {}), "message": clip(message, 512)}
    return {**before, "conditions": kept + new, "summary": summary, "observedGeneration": generation}


def _summary(owner: Json, spec: PipelineSpec, state: PipelineState, problem: str) -> dict[str, str]:
    run = state.run
    stage = current(run.stages) if run else None
    metrics = run.metrics if run else ()
    summary = {
        "run": str(run.id) if run else "",
        "stage": str(stage["name"]) if stage else "",
        "progress": _progress(run, stage),
        "result": run.state if run else "",
        "champion": str(state.champion["version"]) if state.champion else "",
        "metric": f"{metrics[0][0]} {metrics[0][1]}" if metrics else "",
        "next": timestamp(state.next_schedule) if state.next_schedule else "",
        "message": clip(_message(owner, spec, state, problem), 512),
    }
    return {k: v for k, v in summary.items() if v}


def _progress(run: Run | None, stage: Json | None) -> str:
    if run is None or stage is None or not run.active:
        return ""
    done = sum(s.get("state") in ("Succeeded", "Cached", "Skipped") for s in run.stages)
    return str(stage.get("progress") or f"stage {min(done + 1, len(api.STAGES))}/{len(api.STAGES)}")


def _message(owner: Json, spec: PipelineSpec, state: PipelineState, problem: str) -> str:
    run = state.run
    if problem:
        return problem
    if run is not None and run.active:
        return f"{run.waiting}: {run.message}" if run.waiting else run.message
    if state.helper_job is not None and state.helper_job.obstacle:
        return state.helper_job.obstacle
    if halted(spec, state):
        return f"halted: {_halted(owner, spec, state)}. {run.message if run else ''}".rstrip()
    if run is not None and run.state == SUCCEEDED:
        version = _version_of(state, run)
        if version and (state.champion is None or int(state.champion["version"]) < version):
            return awaiting(owner, version)
    if run is None and spec.suspend:
        return "suspended: no run starts while spec.suspend is true"
    return run.message if run else ""


def _halted(owner: Json, spec: PipelineSpec, state: PipelineState) -> str:
    edit = "a change of the spec or " if spec.triggers.on_spec_change else ""
    command = f'kubectl annotate --overwrite pipeline {name_of(owner)} {RUN_REQUESTED_AT}="$(date -Iseconds)"'
    return f"{state.consecutive_failures} runs in a row have failed; {edit}a person starts another: {command}"


def _version_of(state: PipelineState, run: Run) -> int:
    entry = next((h for h in reversed(state.history) if h.get("id") == run.id), {})
    return int(entry.get("version") or 0)


def _conditions(owner: Json, spec: PipelineSpec, state: PipelineState, problem: str) -> list[Condition]:
    run, champion = state.run, state.champion
    obstacle = state.helper_job.obstacle if state.helper_job else ""
    if champion:
        text = f"version {champion['version']} of run {champion.get('runId', '?')}"
        text += f"; {champion['reason']}" if champion.get("reason") else ""
        found = [Condition(api.READY, "True", api.CHAMPION_READY, text)]
    else:
        found = [Condition(api.READY, "False", api.NO_CHAMPION, obstacle or "no run has given a champion yet")]
    if obstacle and state.helper_job is not None:
        found.append(Condition(api.RECONCILING, "True", state.helper_job.waiting or api.PROGRESSING, obstacle))
    else:
        found.append(Condition(api.RECONCILING, "False", api.RECONCILED))
    if problem:
        found.append(Condition(api.STALLED, "True", api.INVALID_SPEC, problem))
    if run is not None:
        found += _of_run(run, state)
    if halted(spec, state):
        found.append(Condition(api.HALTED, "True", api.TOO_MANY_FAILURES, _halted(owner, spec, state)))
    return found


def _of_run(run: Run, state: PipelineState) -> list[Condition]:
    failure = run.failure or {}
    reason = str(failure.get("reason") or run.state)
    if run.active:
        text = f"run {run.id} is in progress" + (f": {run.waiting}: {run.message}" if run.waiting else "")
        found = [Condition(api.SUCCEEDED, "Unknown", run.waiting or api.RUNNING, text)]
    elif run.state in (SUCCEEDED, NOT_BLESSED, SKIPPED):
        found = [Condition(api.SUCCEEDED, "True", api.RUN_SUCCEEDED, f"run {run.id}: {run.state}")]
    else:
        found = [Condition(api.SUCCEEDED, "False", reason, f"run {run.id}: {run.message}")]
    if run.state == FAILED and failure.get("exitCode") == DATA_ERROR:
        found.append(Condition(api.DATA_VALID, "False", reason, run.message))
    elif run.blessing and state.anomalies:
        first = state.anomalies[0]
        text = (
            f"{first.get('feature', 'the data')}: {first.get('reason')} in {first.get('count', '?')} rows (tolerated)"
        )
        found.append(Condition(api.DATA_VALID, "False", str(first.get("reason") or "Anomalous"), text))
    elif run.blessing:
        found.append(Condition(api.DATA_VALID, "True", api.VALID, ""))
    if run.blessing == api.BLESSED_REASON:
        found.append(Condition(api.BLESSED, "True", api.BLESSED_REASON, run.message))
    elif run.blessing == api.NOT_BLESSED:
        found.append(Condition(api.BLESSED, "False", api.NOT_BLESSED, run.message))
    elif run.blessing:
        found.append(Condition(api.BLESSED, "Unknown", api.NOT_EVALUATED, run.message))
    return found
