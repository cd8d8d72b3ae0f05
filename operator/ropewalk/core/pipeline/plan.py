"""What to do about a Pipeline now: follow the run in flight, or start one, and tell what is so.

One pass does one of these: record an intent (no effects; they follow once it is stored), carry an intent out, or
record what became of it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from ropewalk_contract import reasons, wire
from ropewalk_contract.api.pipeline import PipelineSpec
from ropewalk_contract.documents.results import TrainResult

from .. import names
from ..conditions import clip
from ..jobs.container_end import document
from ..jobs.observed import Attempt, attempt, works
from ..jobs.waits import Waiting, named
from ..objects import metadata, name_of, of_kind, owned, run_of
from ..plan import Create, Effect, Event, Json, Observed, Plan, Requeue
from . import status
from .helper_jobs import work
from .helper_jobs.record import RECOVER, SWEEP, HelperJob
from .parts import job, planner
from .run import attempts, champion, leftovers, outcome, stages
from .run.attempts import Failure, Success
from .state import FAILED, PENDING, RETRYING, RUNNING, STARTING, PipelineState, Run
from .triggers import due, schedule
from .triggers.trigger import Trigger

FOLLOW = 1.0
"""Seconds between two looks at a run's progress; what ends a container comes as an event, at once."""
WAIT = 5.0
WATCH_DRIFT = 60.0
NEEDED = frozenset({"Job", "Pod", "ConfigMap"})


def plan(spec: PipelineSpec, state: PipelineState, observed: Observed, now: datetime) -> Plan:
    """The plan for a Pipeline; `state` is what its status holds."""
    owner = observed.owner
    state, events = schedule.settled_schedule(spec, state, now)
    state, more = outcome.promoted_by_hand(owner, state, now)
    state, lost = champion.champion_fallback(owner, state, observed.peers or (), now)
    pass_ = _Pass(observed, owner, spec, state, now, [*events, *more, *lost])
    if observed.unknown & NEEDED:
        return Plan(requeue=(Requeue(WAIT, "children could not be listed"),))
    if state.run is not None and state.run.active:
        return pass_.follow(state.run)
    if state.helper_job is not None and state.helper_job.active:
        return pass_.follow_helper_job(state.helper_job)
    return pass_.start()


class _Pass:
    """One pass over a Pipeline whose spec is sound; what its methods share."""

    def __init__(
        self,
        observed: Observed,
        owner: Json,
        spec: PipelineSpec,
        state: PipelineState,
        now: datetime,
        events: list[Event],
    ) -> None:
        self.observed, self.owner, self.spec = observed, owner, spec
        self.state, self.now, self.events = state, now, events
        self.hash = planner.spec_hash(spec)
        self.children = owned(owner, observed.children)

    def plan(self, effects: tuple[Effect, ...] = (), *requeue: Requeue) -> Plan:
        """The plan with the state as it now stands."""
        problem = planner.problem(self.spec) or schedule.schedule_problem(self.spec)
        document = status.document(self.owner, self.spec, self.state, problem, self.now)
        changed = document != (self.owner.get("status") or {})
        return Plan(effects, document if changed else None, tuple(self.events), requeue)

    def again(self, why: str, seconds: float = 0.0) -> Plan:
        """The plan with the state as it now stands and no effects; another pass follows, at once by default."""
        return self.plan((), Requeue(seconds, why))

    # --- no run in flight --------------------------------------------------------------------------------------------

    def start(self) -> Plan:
        """Record the intent of a helper job or a run if one is due; else rest until the clock or an event asks.

        What still works is stopped first: a helper job may not run beside a trainer.
        """
        stop = leftovers.stopped(self.children)
        if stop:
            return self.plan(stop, Requeue(0.0, "Jobs of another run were stopped"))
        if work.recover_is_due(self.owner, self.state, self.now):
            self.state = work.begun(self.state, RECOVER, self.children, self.now)
            return self.again("a Recover was recorded")
        wait = work.waits(self.owner, self.state, self.now)
        if wait is not None:
            return self.again("a failed Recover is tried again", wait)
        trigger = self._trigger()
        if trigger is None and work.next_sweep(self.spec, self.state, self.now) == self.now:
            if any(run_of(pod) and works(pod) for pod in of_kind(self.children, "Pod")):
                return self.again("a pod of a run still works", WAIT)
            self.state = work.begun(self.state, SWEEP, self.children, self.now)
            return self.again("a Sweep was recorded")
        if trigger is None:
            return self.plan(leftovers.swept(self.state, self.children), *self._rest())
        run = Run(
            id=self._next_id(),
            generation=int(metadata(self.owner).get("generation") or 0),
            spec_hash=self.hash,
            trigger=trigger.type,
            reason=trigger.reason,
            started_at=self.now,
        )
        self.state = replace(trigger.handled, run=run)
        text = f"run {run.id} of {name_of(self.owner)}: {run.trigger}, {run.reason}"
        self.events.append(Event("Normal", reasons.RUN_STARTED, text))
        return self.again("a run was recorded")

    def _trigger(self) -> Trigger | None:
        if planner.problem(self.spec):
            return None
        return due.due(self.owner, self.spec, self.hash, self.state, self.observed.related, self.now)

    def _next_id(self) -> int:
        """The number after every one that was ever used, even if status was lost."""
        left = (c for kind in ("Job", "ConfigMap") for c in of_kind(self.children, kind))
        return max([self.state.next_run_id, *(run_of(child) + 1 for child in left)])

    def _rest(self) -> list[Requeue]:
        found = []
        if self.observed.peers is None:  # A version that they refuse is reported by one event each.
            found.append(Requeue(WAIT, "ModelDeployments could not be listed"))
        if self.state.next_schedule is not None:
            found.append(Requeue(max(0.0, (self.state.next_schedule - self.now).total_seconds()), "schedule"))
        if self.spec.triggers.drift is not None and not self.spec.suspend:
            found.append(Requeue(WATCH_DRIFT, "drift of ModelDeployments"))
        sweep = work.next_sweep(self.spec, self.state, self.now)
        if sweep is not None:
            found.append(Requeue((sweep - self.now).total_seconds(), "next Sweep"))
        return found

    # --- a helper job in flight ---------------------------------------------------------------------------------------

    def follow_helper_job(self, helper_job: HelperJob) -> Plan:
        """Make its Job, which follows from the record; then wait for its word."""
        if self.observed.peers is None:
            return self.again("ModelDeployments could not be listed", WAIT)
        name = names.job(str(metadata(self.owner).get("uid", "")), helper_job.id, "errand", 1)
        if not any(name_of(child) == name for child in of_kind(self.children, "Job")):
            content = work.document(self.owner, self.spec, self.state, self.observed.peers, self.now)
            config = job.helper_job_config(self.owner, helper_job.id, json.dumps(content, sort_keys=True, indent=1))
            there = any(name_of(child) == name_of(config) for child in of_kind(self.children, "ConfigMap"))
            body = job.helper_job(self.owner, self.spec, self.observed.config, name=name, number=helper_job.id)
            made = (Create(body),) if there else (Create(config), Create(body))
            return self.plan((*leftovers.stopped(self.children, name), *made), Requeue(WAIT, "helper job"))
        found = work.result(self.children, name, helper_job)
        if found is None:
            return self._helper_job_works(helper_job, name)
        self.state, events = work.settled(self.owner, self.spec, self.state, found, self.observed.peers, self.now)
        self.events += events
        return self.again("a helper job ended")

    def _helper_job_works(self, helper_job: HelperJob, name: str) -> Plan:
        """Say what its pod waits for. One that waits for what nobody wants any more makes way for another."""
        mounted = job.claims([self.spec.artifacts.uri])
        claims = {
            ref: found
            for ref, found in self.observed.related.items()
            if ref.kind == "PersistentVolumeClaim" and ref.name in mounted
        }
        wait = work.waiting(self.children, helper_job, name, claims, self.now)
        body = job.helper_job(self.owner, self.spec, self.observed.config, name=name, number=helper_job.id)
        if wait is not None and not work.is_for(self.children, body):
            self.state = work.begun(self.state, helper_job.type, self.children, self.now)
            return self.again("another helper job was recorded")
        reason, message = wait or ("", "")
        self.state = replace(self.state, helper_job=replace(helper_job, waiting=reason, message=message))
        return self.again("helper job", WAIT)

    # --- a run in flight ---------------------------------------------------------------------------------------------

    def follow(self, run: Run) -> Plan:
        """One step of the run."""
        if self.spec.concurrency_policy == "Forbid":
            self.state, events = due.skipped(self.owner, self.spec, self.state, self.now)
            self.events += events
        found = attempt(self.children, planner.job_name(self.owner, run))
        if found is None and run.state in (PENDING, RETRYING):
            return self._begin(run)
        return self._judge(run, found)

    def _begin(self, run: Run) -> Plan:
        """The attempt is recorded and its Job is not there: create it, under a name that follows from the record.

        The state stays what it is until the Job has been seen, so that a Job that the API server refuses is not one
        that has disappeared. The run's plan is frozen before its first Job.
        """
        stop = leftovers.stopped(self.children, planner.job_name(self.owner, run))
        if run.retry_at is not None and self.now < run.retry_at:
            return self.plan(stop, Requeue((run.retry_at - self.now).total_seconds(), "pause before a retry"))
        config = planner.config_name(self.owner, run)
        frozen = planner.frozen(self.children, config)
        if frozen is None and run.attempt > 1:
            text = "the run's frozen plan (its ConfigMap) was deleted, so it cannot be repeated; request another run"
            return self._failed(replace(run, state=FAILED, finished_at=self.now, message=text))
        if frozen is None and run.spec_hash != self.hash:  # Edited before anything was made of it: take the new spec.
            generation = int(metadata(self.owner).get("generation") or 0)
            self.state = replace(self.state, run=replace(run, spec_hash=self.hash, generation=generation))
            return self.again("the run takes the edited spec")
        effects: list[Effect] = list(stop)
        if frozen is None:
            body = job.template(self.owner, self.spec, self.observed.config, run=run.id, run_config=config)
            document = planner.run_document(self.owner, self.spec, run, self.state.champion)
            effects.append(Create(planner.config_map(self.owner, run, document, body)))
        else:
            body = frozen[1]
        name = planner.job_name(self.owner, run)
        attempt_body = job.for_attempt(
            body, name=name, attempt=run.attempt, memory_limit=run.memory_limit, tensorflow=run.tensorflow
        )
        effects.append(Create(attempt_body))
        return self.plan(tuple(effects), Requeue(0.0, "the run's Job was created"))

    def _judge(self, run: Run, found: Attempt | None) -> Plan:
        """What has become of the attempt whose Job was created."""
        if run.state in (PENDING, RETRYING):  # Its Job has been seen for the first time.
            run = replace(run, state=STARTING, retry_at=None, stages=(), metrics=(), message="")
        verdict = attempts.judge(found, self.now)
        if isinstance(verdict, Waiting):
            verdict = named(verdict, run.waiting, run.message, self.observed.related)
        late = attempts.overdue(run, found, verdict, self.spec, self.now)
        run = self._with_stages(run, found)
        if isinstance(verdict, Success):
            return self._succeeded(run, verdict)
        if isinstance(verdict, Failure):
            return self._attempt_failed(run, verdict)
        if late is not None:
            return self._attempt_failed(run, late)
        if isinstance(verdict, Waiting):
            stuck = verdict.reason and not verdict.stage  # before its first container
            if stuck and run.spec_hash != self.hash and self._trigger() is not None:
                return self._failed(outcome.superseded(run, verdict, self.now))
            run = replace(run, state=STARTING, waiting=verdict.reason, message=clip(verdict.message, 600))
            self.state = replace(self.state, run=run)
            return self.again(f"the run waits: {verdict.reason}", WAIT) if verdict.reason else self._followed()
        self.state = replace(self.state, run=replace(run, state=RUNNING, waiting="", message=""))
        return self._followed()

    def _followed(self) -> Plan:
        return self.again("progress of the run", FOLLOW)

    def _with_stages(self, run: Run, found: Attempt | None) -> Run:
        pod = found.pod if found else None
        if pod is None:
            return run
        scraped = self.observed.scrapes.get((pod.name, wire.PROGRESS_PATH))
        said = TrainResult.read(document(pod.train.message)) if pod.train.state == "terminated" else None
        rows = stages.live(run.stages, pod, said.stages if said else None, scraped.body if scraped else None)
        metrics = said.metrics if said and said.metrics else run.metrics
        return replace(run, stages=rows, metrics=metrics)

    def _succeeded(self, run: Run, success: Success) -> Plan:
        run = replace(run, stages=stages.ended(run.stages, failed=False))
        self.state, events = outcome.succeeded(self.owner, self.spec, self.state, run, success, self.now)
        self.events += events
        return self.again("the run succeeded")

    def _attempt_failed(self, run: Run, failure: Failure) -> Plan:
        """Record it first; what is left of the attempt is stopped in the next pass."""
        stage = stages.current(run.stages)
        if not failure.stage and stage is not None:
            failure = replace(failure, stage=str(stage["name"]))
        if failure.train is not None:
            self.state = replace(self.state, anomalies=failure.train.anomalies)
        frozen = planner.frozen(self.children, planner.config_name(self.owner, run))
        limit = job.memory_limit(frozen[1], failure.container, run.memory_limit) if frozen else run.memory_limit
        other = job.tensorflow_image(frozen[1]) if frozen else ""
        after = attempts.after(run, failure, self.spec, limit, self.now, tensorflow_image=other)
        if after.state == FAILED:
            return self._failed(after)
        self.events.append(
            Event("Warning", reasons.ATTEMPT_FAILED, f"run {run.id}, attempt {run.attempt}: {after.message}")
        )
        self.state = replace(self.state, run=after)
        return self.again("an attempt failed")

    def _failed(self, run: Run) -> Plan:
        run = replace(run, waiting="", stages=stages.ended(run.stages, failed=True))
        self.state, events = outcome.failed(self.owner, self.state, run, self.now)
        self.events += events
        return self.again("the run failed")
