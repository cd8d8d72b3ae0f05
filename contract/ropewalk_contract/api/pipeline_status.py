"""Pipeline.status: what a Pipeline has seen and done. The operator alone writes it, and reads its own memory in it."""

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
    """What the columns of `kubectl get pipelines` show, in words."""

    run: Short | None = None
    """Number of the latest run."""
    stage: Short | None = None
    """Where the latest run is, or where it ended."""
    progress: Short | None = None
    """How far the stage is, for instance epoch 12/30."""
    result: Short | None = None
    """Outcome of the latest run."""
    champion: Short | None = None
    """Version of the champion."""
    metric: Short | None = None
    """First metric of the latest evaluation."""
    next: Short | None = None
    """When the schedule starts the next run."""
    message: Message | None = None
    """What is wrong and what helps."""


class Title(StatusModel):
    """A version that holds or held the title of champion."""

    version: Count | None = None
    """Its number."""
    uri: Uri | None = None
    """Where it lies."""
    digest: Fingerprint | None = None
    """Digest of the model's files."""
    manifest_digest: Fingerprint | None = None
    """Digest of the manifest that lists every file with its own."""
    metrics: Metrics | None = None
    """What Evaluate measured on the test split."""
    promoted_at: Time | None = None
    """When it became the champion."""
    run_id: Count | None = None
    """The run that made it."""
    engines: Annotated[tuple[Short, ...], Field(max_length=8), ListAtomic()] | None = None
    """Engines that gave the same answers as the model itself, best first."""
    data_fingerprint: Fingerprint | None = None
    """Digest of the data that it was trained on."""


class Champion(Title):
    """The version that is served by ModelDeployments that follow this Pipeline."""

    reason: Message | None = None
    """Why it is the champion where no run of its own made it so: it regained the title from one that failed."""
    replaced: Title | None = None
    """The champion before it, which regains the title if a follower cannot serve this one."""


class Record(StatusModel):
    """The whole record of a run in the store."""

    uri: Uri | None = None
    """Where it lies."""
    digest: Fingerprint | None = None
    """Its digest."""


class PipelineHistoryEntry(StatusModel):
    """One run that has ended."""

    id: Count
    """Its number."""
    trigger: Short | None = None
    """What started it."""
    result: Short | None = None
    """Succeeded, NotBlessed, Skipped or Failed."""
    reason: Reason | None = None
    """One word why."""
    message: Message | None = None
    """The same for people."""
    started_at: Time | None = None
    """When it was decided on."""
    finished_at: Time | None = None
    """When it ended."""
    duration: Short | None = None
    """How long it took."""
    version: Count | None = None
    """The version that it published."""
    uri: Uri | None = None
    """Where that version lies."""
    digest: Fingerprint | None = None
    """Digest of that version's files."""
    manifest_digest: Fingerprint | None = None
    """Digest of that version's manifest."""
    engines: Annotated[tuple[Short, ...], Field(max_length=8), ListAtomic()] | None = None
    """Engines that gave the same answers as the model itself, best first."""
    metrics: Metrics | None = None
    """What Evaluate measured on the test split."""
    data_fingerprint: Fingerprint | None = None
    """Digest of the data that it read."""
    record: Record | None = None
    """Everything that is known about it."""


class Anomaly(StatusModel):
    """Something in the data that should not be there."""

    feature: Short | None = None
    """The feature or label; absent when it is about all of the data."""
    reason: Reason | None = None
    """What is wrong, for instance MissingColumn, WrongType or UnknownCategory."""
    message: Message | None = None
    """The same for people."""
    count: Count | None = None
    """Number of rows."""
    share: Annotated[str, Field(max_length=32)] | None = None
    """Share of rows, as a decimal string."""
    example: Short | None = None
    """One such value; never of a sensitive feature."""


class HelperJob(StatusModel):
    """Work on the store outside a run."""

    id: Count | None = None
    """Its number."""
    type: Short | None = None
    """Recover: find out what an empty status forgot. Sweep: delete what is kept no longer."""
    state: Short | None = None
    """Running, Succeeded or Failed."""
    message: Message | None = None
    """What it did, why it failed, or what it waits for."""
    waiting: Short | None = None
    """Why its pod does not run although it should, for instance ImagePullBackOff or Unschedulable."""
    started_at: Time | None = None
    """When it was decided on."""
    finished_at: Time | None = None
    """When it ended."""


class DriftRuns(StatusModel):
    """Runs that drift has started, which history forgets too soon."""

    started_at: Annotated[tuple[Time, ...], Field(max_length=100), ListAtomic()] | None = None
    """When those of the day before the latest one were decided on, and that one, oldest first."""
    finished_at: Time | None = None
    """When the latest one that has ended did so: the cooldown counts from then."""
    version: Count | None = None
    """The version that it published; absent if it gave none, and then the same drift starts another."""


class PipelineStatus(StatusModel):
    """What Ropewalk has seen and done. It is written by the operator alone."""

    observed_generation: Count | None = None
    """The generation of the spec that this status is about."""
    conditions: Conditions | None = None
    """Ready, Reconciling (the store is looked through before anything runs), Stalled, Succeeded (the last run),
    DataValid, Blessed and Halted."""
    summary: PipelineSummary | None = None
    """What the columns of `kubectl get` show."""
    run: Run | None = None
    """The latest run."""
    champion: Champion | None = None
    """The version that is served."""
    history: Annotated[tuple[PipelineHistoryEntry, ...], Field(max_length=10), ListMap(("id",))] | None = None
    """The last ten runs that have ended, newest last."""
    anomalies: Annotated[tuple[Anomaly, ...], Field(max_length=20), ListAtomic()] | None = None
    """What the latest run found wrong with the data."""
    errand: HelperJob | None = None
    """The latest work on the store outside a run."""
    last_run_id: Count | None = None
    """The greatest number of a run that the store knew when this status was recovered from it."""
    adopted_store: bool | None = None
    """Whether the store was looked through since the annotation ropewalk.dev/adopt-store was set."""
    swept_at: Time | None = None
    """When the store was last swept."""
    sweep_waiting: Count | None = None
    """Runs and versions that the next sweep may delete."""
    consecutive_failures: Count | None = None
    """Failed runs in a row."""
    last_schedule_time: Time | None = None
    """When the schedule last started a run."""
    next_schedule_time: Time | None = None
    """When the schedule starts the next run."""
    handled_run_request: Short | None = None
    """Value of the annotation ropewalk.dev/run-requested-at that has been acted on."""
    handled_promotion: Short | None = None
    """Value of the annotation ropewalk.dev/promote that has been acted on."""
    handled_drift: (
        Annotated[tuple[Annotated[str, Field(max_length=512)], ...], Field(max_length=20), ListAtomic()] | None
    ) = None
    """Drifts that have been acted on."""
    drift_runs: DriftRuns | None = None
    """Runs that drift has started, as far as triggers.drift.cooldown and maxPerDay depend on them."""
