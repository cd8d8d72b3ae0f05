"""The phase of helper jobs: work on the store outside a run (D14), followed from its intent to its result.

A helper job is one small Job of the trainer's image that never imports TensorFlow, one at a time, never beside a run.
Doing one twice is doing it once, so a Job that is gone is simply made again.
"""

from __future__ import annotations

import json
from dataclasses import replace

from ropewalk.core.jobs import helper_job as jobs
from ropewalk.core.jobs.observed import Attempt
from ropewalk.core.objects import name_of, of_kind
from ropewalk.core.plan import Create, Json, Requeue

from ..parts import job
from ..run.leftovers import working
from ..situation import Situation
from ..state import PipelineState
from ..step import WAIT, Step, recorded
from . import outcome, task
from .intent import begun
from .record import HelperJob


def follow(situation: Situation, state: PipelineState) -> Step | None:
    """Create the Job, which follows from the record, then wait for its result; None if no helper job is in flight."""
    helper_job, peers, made = state.helper_job, situation.peers, situation.attempt
    if helper_job is None or not helper_job.active:
        return None
    if peers is None:
        return recorded(state, "ModelDeployments could not be listed", WAIT)
    if made is None:
        return _created(situation, state, helper_job, peers)
    found = outcome.result(made, helper_job)
    if found is not None:
        return outcome.ended(situation, state, helper_job, found, peers)
    return _waits(situation, state, helper_job, made)


def _created(situation: Situation, state: PipelineState, helper_job: HelperJob, peers: tuple[Json, ...]) -> Step:
    content = json.dumps(task.document(situation, state, helper_job, peers), sort_keys=True, indent=1)
    config = job.helper_job_config(situation.owner, helper_job.id, content)
    there = any(name_of(child) == name_of(config) for child in of_kind(situation.children, "ConfigMap"))
    body = Create(_body(situation, helper_job))
    made = (body,) if there else (Create(config), body)
    return Step(state, (*working(situation), *made), requeue=(Requeue(WAIT, "helper job"),))


def _waits(situation: Situation, state: PipelineState, helper_job: HelperJob, made: Attempt) -> Step:
    """Record the reason for which its pod does not run. A Job that waits and would be another one today is replaced."""
    mounted = job.claims([situation.spec.artifacts.uri])
    claims = {
        ref: found
        for ref, found in situation.related.items()
        if ref.kind == "PersistentVolumeClaim" and ref.name in mounted
    }
    wait = jobs.waiting(made, (helper_job.waiting, helper_job.message), claims, situation.now)
    if wait is not None and not _is_for(situation, _body(situation, helper_job)):
        return recorded(begun(situation, state, helper_job.type), "another helper job was recorded")
    reason, message = wait or ("", "")
    waits = replace(helper_job, waiting=reason, message=message)
    return recorded(replace(state, helper_job=waits), "helper job", WAIT)


def _body(situation: Situation, helper_job: HelperJob) -> Json:
    return job.helper_job(
        situation.owner, situation.spec, situation.config, name=situation.job_name, number=helper_job.id
    )


def _is_for(situation: Situation, body: Json) -> bool:
    """True if the Job that was made is the one that would be made now: of the same image, on the same claim."""
    made = next(one for one in of_kind(situation.children, "Job") if name_of(one) == situation.job_name)
    return _asked_of(made) == _asked_of(body)


def _asked_of(body: Json) -> tuple[list[str], list[str]]:
    pod = body["spec"]["template"]["spec"]
    volumes = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if v.get("persistentVolumeClaim")]
    return volumes, [container["image"] for container in pod["containers"]]
