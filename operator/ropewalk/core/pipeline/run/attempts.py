"""What became of an attempt, and whether there is another one.

Exit codes of the trainer are the contract: 64 the user's error and 65 the data's are not tried again, 75 and anything
unknown are; an eviction is free; running out of memory raises the limit. Kubernetes itself never retries (D2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ropewalk.core.conditions import clip
from ropewalk.core.jobs.container_end import DATA_ERROR, PERMANENT, TRY_AGAIN, USER_ERROR, document, ended
from ropewalk.core.jobs.observed import CONFIG_REASONS, IMAGE_REASONS, SMOKE_TEST, TRAIN, Attempt, Container, Pod
from ropewalk.core.jobs.waits import Waiting, waiting, without_pod
from ropewalk.core.quantities import duration, raised_memory, words
from ropewalk_contract.api import conditions as api
from ropewalk_contract.api.pipeline import PipelineSpec
from ropewalk_contract.documents.results import SmokeResult, TrainResult

from ..state import FAILED, RETRYING, Run

Kind = Literal["Permanent", "Retry", "Disruption", "OutOfMemory", "Gone", "NeedsTensorFlow"]
FREE_REPLAYS = 1
HOPELESS = frozenset({"InvalidImageName"})
NEEDS_TENSORFLOW: Final = api.NEEDS_TENSORFLOW
SMOKE_STAGE = "SmokeTest"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, in the words that stand in status."""

    kind: Kind
    stage: str
    reason: str
    message: str
    exit_code: int | None = None
    log: tuple[str, ...] = ()
    train: TrainResult | None = None
    container: str = TRAIN

    def document(self) -> dict[str, Any]:
        """As `status.run.failure`."""
        found = {
            "stage": self.stage,
            "reason": self.reason,
            "message": clip(self.message, 600),
            "exitCode": self.exit_code,
            "log": list(self.log),
        }
        return {k: v for k, v in found.items() if v not in (None, "", [])}


@dataclass(frozen=True, slots=True)
class Success:
    """Both containers ended with 0 and said so in valid JSON; `smoke` is Skipped when nothing was to publish."""

    train: TrainResult
    smoke: SmokeResult


@dataclass(frozen=True, slots=True)
class Running:
    """A container is at work."""

    container: str


Verdict = Success | Failure | Waiting | Running


def judge(attempt: Attempt | None, now: datetime) -> Verdict:
    """The verdict on one attempt, clocks apart. None: the Job that status knows of is not there any more."""
    if attempt is None:
        return Failure("Gone", "", api.JOB_DISAPPEARED, "the Job was deleted before its result was read")
    pod = attempt.pod
    if pod is None:
        if attempt.active:
            return without_pod(attempt, now)
        if attempt.disrupted:
            return Failure("Disruption", "", api.DISRUPTED, "the pod was evicted or preempted")
        return Failure(
            "Gone", "", api.POD_DISAPPEARED, attempt.failure or "the pod was deleted before its result was read"
        )
    if pod.finished:
        return _finished(pod)
    if not attempt.active:
        kind: Kind = "Disruption" if attempt.disrupted or pod.disrupted else "Retry"
        return Failure(kind, "", api.JOB_FAILED, attempt.failure or "the Job ended without its pod")
    if pod.train.state == "running":
        return Running(TRAIN)
    if pod.smoke_test.state == "running":
        return Running(SMOKE_TEST)
    if pod.train.state == "terminated":
        return waiting(pod, pod.smoke_test, pod.train.finished_at, SMOKE_STAGE)
    return waiting(pod, pod.train, attempt.created_at, "")


def _finished(pod: Pod) -> Success | Failure:
    train = TrainResult.read(document(pod.train.message))
    smoke = SmokeResult.read(document(pod.smoke_test.message))
    if pod.smoke_test.exit_code == 0 and pod.train.exit_code == 0:
        success = _success(train, smoke)
        if success is not None:
            return success
        silent = TRAIN if train is None else SMOKE_TEST
        return Failure("Retry", "", api.RESULT_UNREADABLE, f"{silent} ended with 0 but left no readable result", 0)
    container: Container
    result: TrainResult | SmokeResult | None
    container, result = (pod.smoke_test, smoke) if pod.train.exit_code == 0 else (pod.train, train)
    stage = SMOKE_STAGE if container is pod.smoke_test else (train.stage if train else "")
    code = container.exit_code
    reason = result.reason if result else ""
    message = result.message if result else ""
    log = result.log if result else ()
    if not result and container.message:
        log = tuple(line[:300] for line in container.message.splitlines()[-5:])
    kind: Kind = "Retry"
    if container.out_of_memory or reason == api.MEMORY_EXCEEDED:
        kind, reason = "OutOfMemory", api.OUT_OF_MEMORY
        message = message or f"{container.name} exceeded its memory limit"
    elif reason == NEEDS_TENSORFLOW and container is pod.smoke_test:
        kind = NEEDS_TENSORFLOW
    elif code in PERMANENT:
        kind = "Permanent"
    elif pod.disrupted:
        kind, reason = "Disruption", api.DISRUPTED
        message = f"{pod.reason or 'the pod was evicted or preempted'}: {pod.message}".rstrip(": ")
    elif code is None and pod.phase == "Failed":
        message = message or pod.message or "the pod failed before its containers ran"
        reason = reason or (pod.reason if pod.reason.isalnum() else "")
    reason = reason or (container.reason if container.reason.isalnum() and container.reason != "Error" else "")
    message = message or f"{container.name} {ended(code)}"
    fallback = {USER_ERROR: api.USER_ERROR, DATA_ERROR: api.DATA_ERROR, TRY_AGAIN: api.RUN_FAILED}.get(
        code or 0, api.CRASHED
    )
    said = train if container is pod.train else None
    return Failure(kind, stage, reason or fallback, message, code, log, said, container.name)


def _success(train: TrainResult | None, smoke: SmokeResult | None) -> Success | None:
    """Both said that they succeeded, and a version that was published is named in full."""
    if train is None or smoke is None or train.outcome != "Succeeded" or smoke.outcome == "Failed":
        return None
    named = smoke.version > 0 and smoke.uri and smoke.digest
    return Success(train, smoke) if named or smoke.outcome == "Skipped" else None


def overdue(run: Run, found: Attempt | None, verdict: Verdict, spec: PipelineSpec, now: datetime) -> Failure | None:
    """The failure that the operator's own clocks find: startup, run. None while there is time."""
    if isinstance(verdict, (Success, Failure)):
        return None
    limit = duration(spec.timeouts.run)
    began = found.pod.train.started_at if found and found.pod else None
    if began is not None and now - began >= limit:
        return Failure("Permanent", "", api.TIMED_OUT, f"the run took longer than timeouts.run ({words(limit)})")
    if isinstance(verdict, Running):
        return None
    startup = duration(spec.timeouts.startup)
    late = now - (verdict.since or run.started_at) >= startup
    if verdict.reason in HOPELESS or (late and verdict.reason):
        reason = verdict.reason
        if reason in IMAGE_REASONS | CONFIG_REASONS:
            reason = api.IMAGE_PULL_FAILED if reason in IMAGE_REASONS else api.CONTAINER_CREATE_FAILED
        detail = f"{verdict.reason}: {verdict.message}".rstrip(": ")
        return Failure("Permanent", verdict.stage, reason, detail)
    if late:
        text = f"no container started within timeouts.startup ({words(startup)})"
        return Failure("Retry", verdict.stage, api.STARTUP_TIMED_OUT, text)
    return None


def after(
    run: Run, failure: Failure, spec: PipelineSpec, limit: str, now: datetime, *, tensorflow_image: str = ""
) -> Run:
    """The run after a failed attempt: Retrying with the next attempt's number and time, or Failed for good.

    `limit` is the memory limit that its container had. Disruptions, one replay of a lost result and the one in the
    image with TensorFlow are not counted.
    """
    retry = spec.retry
    again = replace(run, state=RETRYING, attempt=run.attempt + 1, failure=failure.document(), waiting="", retry_at=None)
    again = replace(again, message=clip(f"{failure.reason}: {failure.message}", 600))
    lost = replace(again, state=FAILED, attempt=run.attempt, finished_at=now)
    if failure.kind == "Permanent":
        return lost
    if failure.kind == NEEDS_TENSORFLOW:
        if tensorflow_image and not run.tensorflow:
            return replace(again, tensorflow=True)
        hint = f"{lost.message}; start the operator with --server-tf-image" if not run.tensorflow else lost.message
        return replace(lost, message=clip(hint, 600))
    if failure.kind == "Disruption" and run.disruptions < retry.disruptions:
        return replace(again, disruptions=run.disruptions + 1)
    if failure.kind == "Gone" and run.replays < FREE_REPLAYS:
        return replace(again, replays=run.replays + 1)
    if failure.kind == "Disruption" or run.failures >= retry.limit:
        return lost
    again = replace(again, failures=run.failures + 1, retry_at=now + _backoff(spec, run.failures))
    if failure.kind != "OutOfMemory":
        return again
    policy = retry.on_out_of_memory
    raised = raised_memory(limit, policy.factor, str(policy.max)) if policy and limit else None
    if raised is None:
        where = "train.resources" if failure.container == TRAIN else "resources"
        hint = f"{lost.message}; the limit is {limit or 'the node'}: raise spec.{where}.limits.memory"
        return replace(lost, message=clip(hint, 600))
    return replace(again, memory_limit=raised, retry_at=None)


def _backoff(spec: PipelineSpec, failures: int) -> timedelta:
    doubled: timedelta = duration(spec.retry.backoff) * 2 ** min(failures, 20)
    return min(doubled, duration(spec.retry.max_backoff))
