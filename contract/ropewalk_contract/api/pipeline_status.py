"""Pipeline.status: runs, champion, history. Only the operator writes it; it is also the operator's memory."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ropewalk_contract.api.common import (
    Conditions,
    Count,
    Fingerprint,
    Message,
    Metrics,
    Reason,
    Short,
    StatusModel,
    Time,
    Uri,
)
from ropewalk_contract.api.markers import ListAtomic, ListMap
from ropewalk_contract.api.run_status import Run


class PipelineSummary(StatusModel):
    """The texts of the columns of `kubectl get pipelines`."""

    run: Short | None = None
    """Number of the latest run."""
    stage: Short | None = None
    """Current or last stage of the latest run."""
    progress: Short | None = None
    """Progress of the stage, such as epoch 12/30."""
    result: Short | None = None
    """Outcome of the latest run."""
    champion: Short | None = None
    """Version of the champion."""
    metric: Short | None = None
    """First metric of the latest evaluation."""
    next: Short | None = None
    """Time of the next run by the schedule."""
    message: Message | None = None
    """The problem and the remedy."""


class Title(StatusModel):
    """A version that is or was the champion."""

    version: Count | None = None
    """Number of the version."""
    uri: Uri | None = None
    """Uri of its directory."""
    digest: Fingerprint | None = None
    """Digest of the model's files."""
    manifest_digest: Fingerprint | None = None
    """Digest of the manifest that lists every file with its own."""
    metrics: Metrics | None = None
    """Metrics on the test split."""
    promoted_at: Time | None = None
    """Time of the promotion."""
    run_id: Count | None = None
    """Number of the run that made it."""
    engines: Annotated[tuple[Short, ...], Field(max_length=8), ListAtomic()] | None = None
    """Engines on which the version was proved, best first."""
    data_fingerprint: Fingerprint | None = None
    """Digest of the training data."""


class Champion(Title):
    """The version for ModelDeployments that follow this Pipeline."""

    reason: Message | None = None
    """Reason why it is the champion again: a later champion failed in a ModelDeployment."""
    replaced: Title | None = None
    """The champion before it. It is restored if a ModelDeployment cannot serve this one."""


class Record(StatusModel):
    """The full record of a run in the store."""

    uri: Uri | None = None
    """Uri of the record."""
    digest: Fingerprint | None = None
    """Digest of the record."""


class PipelineHistoryEntry(StatusModel):
    """One run that has ended."""

    id: Count
    """Number of the run."""
    trigger: Short | None = None
    """Trigger of the run."""
    result: Short | None = None
    """Succeeded, NotBlessed, Skipped or Failed."""
    reason: Reason | None = None
    """Reason, one CamelCase word."""
    message: Message | None = None
    """Message for people."""
    started_at: Time | None = None
    """Time of the start."""
    finished_at: Time | None = None
    """Time of the end."""
    duration: Short | None = None
    """Duration of the run."""
    version: Count | None = None
    """Number of the published version."""
    uri: Uri | None = None
    """Uri of that version."""
    digest: Fingerprint | None = None
    """Digest of that version's files."""
    manifest_digest: Fingerprint | None = None
    """Digest of that version's manifest."""
    engines: Annotated[tuple[Short, ...], Field(max_length=8), ListAtomic()] | None = None
    """Engines on which the version was proved, best first."""
    metrics: Metrics | None = None
    """Metrics on the test split."""
    data_fingerprint: Fingerprint | None = None
    """Digest of the data of the run."""
    record: Record | None = None
    """The full record of the run."""


class Anomaly(StatusModel):
    """Data that the declared schema does not allow."""

    feature: Short | None = None
    """Feature or label. Absent: the anomaly concerns all of the data."""
    reason: Reason | None = None
    """Kind of the anomaly, such as MissingColumn, WrongType or UnknownCategory."""
    message: Message | None = None
    """Message for people."""
    count: Count | None = None
    """Number of rows."""
    share: Annotated[str, Field(max_length=32)] | None = None
    """Share of rows, as a decimal string."""
    example: Short | None = None
    """An example of a value; never of a sensitive feature."""


class HelperJob(StatusModel):
    """Work on the store outside a run (a helper job)."""

    id: Count | None = None
    """Number of the helper job."""
    type: Short | None = None
    """Recover: read the store to restore a lost status. Sweep: delete old runs and versions."""
    state: Short | None = None
    """Running, Succeeded or Failed."""
    message: Message | None = None
    """Result, cause of a failure, or condition that it waits for."""
    waiting: Short | None = None
    """Reason why its pod does not run, such as ImagePullBackOff or Unschedulable."""
    started_at: Time | None = None
    """Time of the start."""
    finished_at: Time | None = None
    """Time of the end."""


class DriftRuns(StatusModel):
    """Runs started by drift, beyond the bounds of the history."""

    started_at: Annotated[tuple[Time, ...], Field(max_length=100), ListAtomic()] | None = None
    """Start times of such runs in the 24 hours up to the latest one, oldest first."""
    finished_at: Time | None = None
    """End of the latest such run. The cooldown counts from then."""
    version: Count | None = None
    """Number of the version that it published. Absent: it gave none, and the same drift starts another run."""


class PipelineStatus(StatusModel):
    """The observed state. Only the operator writes it."""

    observed_generation: Count | None = None
    """Generation of the spec that this status is about."""
    conditions: Conditions | None = None
    """Ready, Reconciling (a helper job works on the store), Stalled, Succeeded (the latest run), DataValid, Blessed and
    Halted."""
    summary: PipelineSummary | None = None
    """Texts of the columns of `kubectl get`."""
    run: Run | None = None
    """The latest run."""
    champion: Champion | None = None
    """The version for ModelDeployments that follow this Pipeline."""
    history: Annotated[tuple[PipelineHistoryEntry, ...], Field(max_length=10), ListMap(("id",))] | None = None
    """The last ten runs that have ended, newest last."""
    anomalies: Annotated[tuple[Anomaly, ...], Field(max_length=20), ListAtomic()] | None = None
    """Anomalies that the latest run found."""
    errand: HelperJob | None = None
    """The latest helper job (errand)."""
    last_run_id: Count | None = None
    """Greatest number of a run in the store when this status was recovered from it."""
    adopted_store: bool | None = None
    """True: the store was read after the annotation ropewalk.dev/adopt-store was set."""
    swept_at: Time | None = None
    """Time of the last sweep of the store."""
    sweep_waiting: Count | None = None
    """Number of runs and versions that the next sweep may delete."""
    consecutive_failures: Count | None = None
    """Number of failed runs in a row."""
    last_schedule_time: Time | None = None
    """Time of the last run by the schedule."""
    next_schedule_time: Time | None = None
    """Time of the next run by the schedule."""
    handled_run_request: Short | None = None
    """Value of the annotation ropewalk.dev/run-requested-at that was handled."""
    handled_promotion: Short | None = None
    """Value of the annotation ropewalk.dev/promote that was handled."""
    handled_drift: (
        Annotated[tuple[Annotated[str, Field(max_length=512)], ...], Field(max_length=20), ListAtomic()] | None
    ) = None
    """Drifts that were handled."""
    drift_runs: DriftRuns | None = None
    """Runs started by drift, for triggers.drift.cooldown and maxPerDay."""
