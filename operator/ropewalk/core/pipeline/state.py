"""What the operator remembers of a Pipeline between two passes: nothing but its status, read into values.

Reading is forgiving (status may have been written by another version), writing is complete: `status.py` adds what is
derived. What is not written here is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ropewalk_contract import reasons

from ..conditions import parse_timestamp, timestamp
from ..plan import Json
from .helper_jobs.record import HelperJob

MAX_HISTORY = 10
MAX_DRIFT_RUNS = 100
"""As many as `triggers.drift.maxPerDay` may allow."""
DAY = timedelta(days=1)
PART = "run"
"""All stages of a run are one part, and so one Job (designs/0013)."""
TENSORFLOW = "TensorFlow"

PENDING, STARTING, RUNNING, RETRYING = "Pending", "Starting", "Running", "Retrying"
SUCCEEDED, NOT_BLESSED, SKIPPED, FAILED = "Succeeded", reasons.NOT_BLESSED, "Skipped", "Failed"
ACTIVE = frozenset({PENDING, STARTING, RUNNING, RETRYING})


@dataclass(frozen=True, slots=True)
class Run:
    """One run, from its intent to its result. `attempt` counts every Job; what it cost is counted apart."""

    id: int
    generation: int
    spec_hash: str
    trigger: str
    reason: str
    started_at: datetime
    state: str = PENDING
    attempt: int = 1
    failures: int = 0
    disruptions: int = 0
    replays: int = 0
    retry_at: datetime | None = None
    memory_limit: str = ""
    tensorflow: bool = False
    """Whether the smoke test needs the server's image with TensorFlow."""
    message: str = ""
    waiting: str = ""
    """Why nothing runs although something should: ImagePullBackOff, Unschedulable, VolumeNotFound, ..."""
    finished_at: datetime | None = None
    blessing: str = ""
    data_fingerprint: str = ""
    stages: tuple[dict[str, Any], ...] = ()
    metrics: tuple[tuple[str, str], ...] = ()
    failure: dict[str, Any] | None = None

    @property
    def active(self) -> bool:
        """Neither ended nor given up."""
        return self.state in ACTIVE


@dataclass(frozen=True, slots=True)
class DriftRuns:
    """Runs that drift has started, as far as the next one depends on them: history forgets them too soon."""

    started: tuple[datetime, ...] = ()
    """Those of the last day before the latest one, and that one, oldest first."""
    finished_at: datetime | None = None
    version: int = 0
    """What the latest one has published; 0: nothing."""

    def with_start(self, now: datetime) -> DriftRuns:
        """One more has started."""
        recent = tuple(moment for moment in self.started if now - moment < DAY)
        return replace(self, started=(*recent, now)[-MAX_DRIFT_RUNS:])

    def document(self) -> dict[str, Any]:
        """As `status.driftRuns`."""
        found = {
            "startedAt": [timestamp(moment) for moment in self.started],
            "finishedAt": timestamp(self.finished_at) if self.finished_at else None,
            "version": self.version,
        }
        return {k: v for k, v in found.items() if v}

    @staticmethod
    def from_document(found: object) -> DriftRuns:
        """Inverse of `document`; none for anything else."""
        if not isinstance(found, dict):
            return DriftRuns()
        started = (parse_timestamp(moment) for moment in found.get("startedAt") or ())
        finished = parse_timestamp(found.get("finishedAt"))
        return DriftRuns(tuple(t for t in started if t), finished, int(found.get("version") or 0))


@dataclass(frozen=True, slots=True)
class PipelineState:
    """Everything remembered."""

    run: Run | None = None
    history: tuple[Json, ...] = ()
    champion: Json | None = None
    anomalies: tuple[Json, ...] = ()
    consecutive_failures: int = 0
    handled_run_request: str = ""
    handled_promotion: str = ""
    handled_drift: tuple[str, ...] = ()
    drift_runs: DriftRuns = DriftRuns()
    last_schedule: datetime | None = None
    next_schedule: datetime | None = None
    helper_job: HelperJob | None = None
    last_run_id: int = 0
    """The greatest number of a run that the store knew when status was recovered from it."""
    adopted: bool = False
    """The store was looked through since its adoption was asked for."""
    swept_at: datetime | None = None
    sweep_waiting: int = 0
    """What the last sweep found unreferenced and the next one may delete."""

    def with_history(self, entry: Json) -> PipelineState:
        """The entry added at the end; the oldest beyond ten are forgotten."""
        return replace(self, history=(*self.history, entry)[-MAX_HISTORY:])

    @property
    def next_run_id(self) -> int:
        """The integer after every one that was ever used."""
        used = [int(h.get("id", 0)) for h in self.history]
        return max([self.run.id if self.run else 0, self.last_run_id, *used]) + 1


def read(status: Json) -> PipelineState:
    """The ledger in a status; an empty one gives an empty ledger."""
    champion = status.get("champion")
    return PipelineState(
        run=_run(status["run"]) if isinstance(status.get("run"), dict) and status["run"].get("id") else None,
        history=tuple(h for h in status.get("history") or () if isinstance(h, dict)),
        champion=champion if isinstance(champion, dict) and champion.get("version") else None,
        anomalies=tuple(status.get("anomalies") or ()),
        consecutive_failures=int(status.get("consecutiveFailures") or 0),
        handled_run_request=str(status.get("handledRunRequest") or ""),
        handled_promotion=str(status.get("handledPromotion") or ""),
        handled_drift=tuple(str(d) for d in status.get("handledDrift") or ()),
        drift_runs=DriftRuns.from_document(status.get("driftRuns")),
        last_schedule=parse_timestamp(status.get("lastScheduleTime")),
        next_schedule=parse_timestamp(status.get("nextScheduleTime")),
        helper_job=HelperJob.from_document(status.get("errand")),
        last_run_id=int(status.get("lastRunId") or 0),
        adopted=bool(status.get("adoptedStore")),
        swept_at=parse_timestamp(status.get("sweptAt")),
        sweep_waiting=int(status.get("sweepWaiting") or 0),
    )


def write(state: PipelineState, job_name: str) -> dict[str, Any]:
    """The ledger's part of status; empty values are left out."""
    document: dict[str, Any] = {
        "run": _run_document(state.run, job_name) if state.run else None,
        "history": [dict(h) for h in state.history],
        "champion": dict(state.champion) if state.champion else None,
        "anomalies": [dict(a) for a in state.anomalies],
        "consecutiveFailures": state.consecutive_failures,
        "handledRunRequest": state.handled_run_request,
        "handledPromotion": state.handled_promotion,
        "handledDrift": list(state.handled_drift),
        "driftRuns": state.drift_runs.document(),
        "lastScheduleTime": timestamp(state.last_schedule) if state.last_schedule else None,
        "nextScheduleTime": timestamp(state.next_schedule) if state.next_schedule else None,
        "errand": state.helper_job.document() if state.helper_job else None,
        "lastRunId": state.last_run_id or None,
        "adoptedStore": state.adopted or None,
        "sweptAt": timestamp(state.swept_at) if state.swept_at else None,
        "sweepWaiting": state.sweep_waiting or None,
    }
    return {k: v for k, v in document.items() if v not in (None, "", [], {}) or k == "consecutiveFailures"}


def metric_list(metrics: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """Metrics as the API writes them: a named list of decimal strings."""
    return [{"name": name, "value": value} for name, value in metrics]


def _run(found: Json) -> Run:
    job: dict[str, Any] = next(iter(found.get("jobs") or ()), {})
    return Run(
        id=int(found["id"]),
        generation=int(found.get("generation") or 0),
        spec_hash=str(found.get("specHash") or ""),
        trigger=str(found.get("trigger") or ""),
        reason=str(found.get("reason") or ""),
        started_at=parse_timestamp(found.get("startedAt")) or datetime.fromisoformat("1970-01-01T00:00:00+00:00"),
        state=str(found.get("state") or PENDING),
        attempt=int(found.get("attempt") or 1),
        failures=int(job.get("failures") or 0),
        disruptions=int(job.get("disruptions") or 0),
        replays=int(job.get("replays") or 0),
        retry_at=parse_timestamp(found.get("retryAt")),
        memory_limit=str(job.get("memoryLimit") or ""),
        tensorflow=job.get("engine") == TENSORFLOW,
        message=str(found.get("message") or ""),
        waiting=str(found.get("waiting") or ""),
        finished_at=parse_timestamp(found.get("finishedAt")),
        blessing=str(found.get("blessing") or ""),
        data_fingerprint=str(found.get("dataFingerprint") or ""),
        stages=tuple(found.get("stages") or ()),
        metrics=tuple((str(m.get("name")), str(m.get("value"))) for m in found.get("metrics") or ()),
        failure=found.get("failure"),
    )


def _run_document(run: Run, job_name: str) -> dict[str, Any]:
    job = {
        "name": job_name,
        "part": PART,
        "state": run.state,
        "attempts": run.attempt,
        "failures": run.failures,
        "disruptions": run.disruptions,
        "replays": run.replays,
    }
    if run.memory_limit:
        job["memoryLimit"] = run.memory_limit
    if run.tensorflow:
        job["engine"] = TENSORFLOW
    document: dict[str, Any] = {
        "id": run.id,
        "generation": run.generation,
        "specHash": run.spec_hash,
        "trigger": run.trigger,
        "reason": run.reason,
        "startedAt": timestamp(run.started_at),
        "state": run.state,
        "attempt": run.attempt,
        "jobs": [job],
        "retryAt": timestamp(run.retry_at) if run.retry_at else None,
        "message": run.message,
        "waiting": run.waiting,
        "finishedAt": timestamp(run.finished_at) if run.finished_at else None,
        "blessing": run.blessing,
        "dataFingerprint": run.data_fingerprint,
        "stages": [dict(s) for s in run.stages],
        "metrics": metric_list(run.metrics),
        "failure": run.failure,
    }
    return {k: v for k, v in document.items() if v not in (None, "", [])}
