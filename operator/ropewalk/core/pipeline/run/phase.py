"""The run phase: one step of the run in flight, by the verdict on its attempt."""

from __future__ import annotations

from dataclasses import replace

from ropewalk.core.conditions import clip
from ropewalk.core.jobs.container_end import document
from ropewalk.core.jobs.waits import Waiting, named
from ropewalk.core.plan import Event
from ropewalk_contract import reasons, wire
from ropewalk_contract.documents.results import TrainResult

from ..parts import job, planner
from ..situation import Situation
from ..state import FAILED, PENDING, RETRYING, RUNNING, STARTING, PipelineState, Run
from ..step import FOLLOW, WAIT, Step, recorded
from ..triggers.due import due
from . import attempts, outcome, stages
from .attempts import Failure, Success
from .create import create


def follow(situation: Situation, state: PipelineState) -> Step | None:
    """One step of the run; None if none is in flight."""
    run = state.run
    if run is None or not run.active:
        return None
    if situation.attempt is None and run.state in (PENDING, RETRYING):
        return create(situation, state, run)
    return _judged(situation, state, run)


def _judged(situation: Situation, state: PipelineState, run: Run) -> Step:
    """Record the verdict on the attempt whose Job was created."""
    found, now = situation.attempt, situation.now
    if run.state in (PENDING, RETRYING):  # Its Job has been seen for the first time.
        run = replace(run, state=STARTING, retry_at=None, stages=(), metrics=(), message="")
    verdict = attempts.judge(found, now)
    if isinstance(verdict, Waiting):
        verdict = named(verdict, run.waiting, run.message, situation.related)
    late = attempts.overdue(run, found, verdict, situation.spec, now)
    run = _with_stages(situation, run)
    if isinstance(verdict, Success):
        return outcome.succeeded(situation, state, run, verdict)
    failure = verdict if isinstance(verdict, Failure) else late
    if failure is not None:
        return _attempt_failed(situation, state, run, failure)
    if isinstance(verdict, Waiting):
        return _waits(situation, state, run, verdict)
    run = replace(run, state=RUNNING, waiting="", message="")
    return recorded(replace(state, run=run), "progress of the run", FOLLOW)


def _waits(situation: Situation, state: PipelineState, run: Run, wait: Waiting) -> Step:
    """Record the reason for which nothing runs; a run that cannot begin makes way for one of a corrected spec."""
    stuck = wait.reason and not wait.stage  # before its first container
    if stuck and run.spec_hash != situation.spec_hash and due(situation, state) is not None:
        return outcome.failed(situation, state, outcome.superseded(run, wait, situation.now))
    run = replace(run, state=STARTING, waiting=wait.reason, message=clip(wait.message, 600))
    why, pause = (f"the run waits: {wait.reason}", WAIT) if wait.reason else ("progress of the run", FOLLOW)
    return recorded(replace(state, run=run), why, pause)


def _with_stages(situation: Situation, run: Run) -> Run:
    """The run with the stages and metrics that its containers report."""
    pod = situation.attempt.pod if situation.attempt else None
    if pod is None:
        return run
    scraped = situation.observed.scrapes.get((pod.name, wire.PROGRESS_PATH))
    said = TrainResult.read(document(pod.train.message)) if pod.train.state == "terminated" else None
    rows = stages.live(run.stages, pod, said.stages if said else None, scraped.body if scraped else None)
    metrics = said.metrics if said and said.metrics else run.metrics
    return replace(run, stages=rows, metrics=metrics)


def _attempt_failed(situation: Situation, state: PipelineState, run: Run, failure: Failure) -> Step:
    """Record another attempt, or the end of the run; the pass after it stops what is left of this one."""
    stage = stages.current(run.stages)
    if not failure.stage and stage is not None:
        failure = replace(failure, stage=str(stage["name"]))
    if failure.train is not None:
        state = replace(state, anomalies=failure.train.anomalies)
    frozen = planner.frozen(situation.children, planner.config_name(situation.owner, run))
    limit = job.memory_limit(frozen[1], failure.container, run.memory_limit) if frozen else run.memory_limit
    other = job.tensorflow_image(frozen[1]) if frozen else ""
    after = attempts.after(run, failure, situation.spec, limit, situation.now, tensorflow_image=other)
    if after.state == FAILED:
        return outcome.failed(situation, state, after)
    text = f"run {run.id}, attempt {run.attempt}: {after.message}"
    event = Event("Warning", reasons.ATTEMPT_FAILED, text)
    return recorded(replace(state, run=after), "an attempt failed", events=(event,))
