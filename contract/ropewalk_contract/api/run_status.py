"""Pipeline.status.run: the latest run, its Jobs, stages and failure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ropewalk_contract.api.common import Count, Fingerprint, Message, Metrics, Reason, Short, StatusModel, Time
from ropewalk_contract.api.markers import ListAtomic, ListMap


class Job(StatusModel):
    """One part of a run and its Job."""

    name: Annotated[str, Field(max_length=253)]
    """Name of the Job of the latest attempt."""
    part: Short | None = None
    """Part of the run."""
    state: Short | None = None
    """Pending, Starting, Running, Retrying, Succeeded, NotBlessed, Skipped or Failed."""
    attempts: Count | None = None
    """Number of Jobs started for this part."""
    failures: Count | None = None
    """Number of failed attempts that count against retry.limit."""
    disruptions: Count | None = None
    """Number of attempts lost to evictions, drains and preemption."""
    replays: Count | None = None
    """Number of attempts whose result was lost. They are repeated and do not count."""
    memory_limit: Short | None = None
    """Memory limit of the latest attempt, if it was raised after an attempt that ran out of memory."""
    engine: Short | None = None
    """TensorFlow, if no compiled engine takes the model. The smoke test then runs in the image with TensorFlow."""


class Stage(StatusModel):
    """One stage of a run."""

    name: Short
    """Source, Validate, Preprocess, Train, Evaluate, Publish or SmokeTest."""
    state: Short | None = None
    """Pending, Running, Succeeded, Cached, Skipped or Failed."""
    reason: Reason | None = None
    """Reason of the state, one CamelCase word."""
    message: Message | None = None
    """Message for people."""
    started_at: Time | None = None
    """Time of the start."""
    finished_at: Time | None = None
    """Time of the end."""
    progress: Short | None = None
    """Progress, such as epoch 12/30."""
    metrics: Metrics | None = None
    """Metrics of the stage."""


class Failure(StatusModel):
    """Failure of the latest failed attempt of a run."""

    stage: Short | None = None
    """The stage that failed."""
    reason: Reason | None = None
    """Reason, one CamelCase word."""
    message: Message | None = None
    """Message for people: the object, the value, the remedy."""
    exit_code: int | None = None
    """Exit code of the container: 64 an error of the user, 65 of the data, 75 worth another attempt."""
    log: Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(max_length=20), ListAtomic()] | None = None
    """Last lines of the log of the container."""


class Run(StatusModel):
    """One run of the Pipeline."""

    id: Count | None = None
    """Number of the run. It grows by one with every run."""
    state: Short | None = None
    """Pending, Starting, Running, Retrying, Succeeded, NotBlessed, Skipped or Failed."""
    trigger: Short | None = None
    """Trigger of the run: SpecChange, Schedule, Manual or Drift."""
    reason: Short | None = None
    """Description of the trigger."""
    message: Message | None = None
    """The problem and the remedy."""
    waiting: Short | None = None
    """Reason why no pod runs, such as ImagePullBackOff or Unschedulable."""
    generation: Count | None = None
    """Generation of the spec of the run."""
    spec_hash: Fingerprint | None = None
    """Digest of the fields of that spec on which a run depends."""
    attempt: Count | None = None
    """Number of the current attempt."""
    started_at: Time | None = None
    """Time of the start."""
    finished_at: Time | None = None
    """Time of the end."""
    retry_at: Time | None = None
    """Time of the next attempt."""
    jobs: Annotated[tuple[Job, ...], Field(max_length=16), ListMap()] | None = None
    """Parts of the run and their Jobs."""
    stages: Annotated[tuple[Stage, ...], Field(max_length=16), ListMap()] | None = None
    """Stages in order."""
    metrics: Metrics | None = None
    """Metrics on the test split."""
    blessing: Short | None = None
    """Result of Evaluate: Blessed, NotBlessed or NotEvaluated."""
    data_fingerprint: Fingerprint | None = None
    """Digest of the data of the run."""
    failure: Failure | None = None
    """Failure of the latest failed attempt."""
