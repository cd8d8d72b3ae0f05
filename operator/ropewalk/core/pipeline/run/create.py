"""The Job of an attempt is created, under a name that follows from the record; the run's plan is frozen before it."""

from __future__ import annotations

from dataclasses import replace

from ropewalk.core.plan import Create, Effect, Json, Requeue

from ..parts import job, planner
from ..situation import Situation
from ..state import FAILED, PipelineState, Run
from ..step import Step, recorded
from . import outcome
from .leftovers import working


def create(situation: Situation, state: PipelineState, run: Run) -> Step:
    """The attempt is recorded and its Job is not there: create it.

    The state stays as it is until the Job has been seen, so that a Job that the API server refuses is not one that
    has disappeared.
    """
    stop = working(situation)
    if run.retry_at is not None and situation.now < run.retry_at:
        pause = (run.retry_at - situation.now).total_seconds()
        return Step(state, stop, requeue=(Requeue(pause, "pause before a retry"),))
    frozen = planner.frozen(situation.children, planner.config_name(situation.owner, run))
    if frozen is None and run.attempt > 1:
        text = "the run's frozen plan (its ConfigMap) was deleted, so it cannot be repeated; request another run"
        return outcome.failed(situation, state, replace(run, state=FAILED, finished_at=situation.now, message=text))
    if frozen is None and run.spec_hash != situation.spec_hash:  # Edited before anything was made of it.
        run = replace(run, spec_hash=situation.spec_hash, generation=situation.generation)
        return recorded(replace(state, run=run), "the run takes the edited spec")
    effects: list[Effect] = list(stop)
    if frozen is None:
        config_map, body = _frozen_now(situation, state, run)
        effects.append(Create(config_map))
    else:
        body = frozen[1]
    attempt_body = job.for_attempt(
        body,
        name=situation.job_name,
        attempt=run.attempt,
        memory_limit=run.memory_limit,
        tensorflow=run.tensorflow,
    )
    effects.append(Create(attempt_body))
    return Step(state, tuple(effects), requeue=(Requeue(0.0, "the run's Job was created"),))


def _frozen_now(situation: Situation, state: PipelineState, run: Run) -> tuple[Json, Json]:
    """The ConfigMap with the run's plan, and the Job template in it."""
    owner, spec = situation.owner, situation.spec
    name = planner.config_name(owner, run)
    template = job.template(owner, spec, situation.config, run=run.id, run_config=name)
    document = planner.run_document(owner, spec, run, state.champion)
    return planner.config_map(owner, run, document, template), template
