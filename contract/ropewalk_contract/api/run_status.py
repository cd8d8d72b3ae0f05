"""Pipeline.status.run: one run while it is in flight and until the next one, its Jobs, its stages, why it failed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ropewalk_contract.api.common import Count, Fingerprint, Message, Metrics, Reason, Short, StatusModel, Time
from ropewalk_contract.api.markers import ListAtomic, ListMap


class Job(StatusModel):
    """One part of a run and the Job that does it."""

    name: Annotated[str, Field(max_length=253)]
    """The Job of the latest attempt."""
    part: Short | None = None
    """Which part of the run it does."""
    state: Short | None = None
    """Pending, Starting, Running, Retrying, Succeeded, NotBlessed, Skipped or Failed."""
    attempts: Count | None = None
    """Jobs started for this part so far."""
    failures: Count | None = None
    """Attempts that failed and count against retry.limit."""
    disruptions: Count | None = None
    """Attempts lost to evictions, drains and preemption."""
    replays: Count | None = None
    """Attempts whose result was lost, and that were repeated without counting."""
    memory_limit: Short | None = None
    """Memory limit of the latest attempt, where running out of memory has raised it."""
    engine: Short | None = None
    """TensorFlow where no compiled engine takes the model: the smoke test then runs in the image that has it."""


class Stage(StatusModel):
    """One stage of a run."""

    name: Short
    """Source, Validate, Preprocess, Train, Evaluate, Publish or SmokeTest."""
    state: Short | None = None
    """Pending, Running, Succeeded, Cached, Skipped or Failed."""
    reason: Reason | None = None
    """One word why it is in that state."""
    message: Message | None = None
    """The same for people."""
    started_at: Time | None = None
    """When it started."""
    finished_at: Time | None = None
    """When it ended."""
    progress: Short | None = None
    """How far it is, for instance epoch 12/30."""
    metrics: Metrics | None = None
    """Numbers that it measured."""


class Failure(StatusModel):
    """Why the latest failed attempt of a run failed."""

    stage: Short | None = None
    """The stage that failed."""
    reason: Reason | None = None
    """One word why."""
    message: Message | None = None
    """The same for people: the thing, the value, the remedy."""
    exit_code: int | None = None
    """What the container ended with: 64 an error of the user, 65 of the data, 75 worth another attempt."""
    log: Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(max_length=20), ListAtomic()] | None = None
    """Last lines of the container's log."""


class Run(StatusModel):
    """One run of the Pipeline."""

    id: Count | None = None
    """Its number; it grows by one with every run."""
    state: Short | None = None
    """Pending, Starting, Running, Retrying, Succeeded, NotBlessed, Skipped or Failed."""
    trigger: Short | None = None
    """What started it: SpecChange, Schedule, Manual or Drift."""
    reason: Short | None = None
    """The same in words."""
    message: Message | None = None
    """What is wrong and what helps."""
    waiting: Short | None = None
    """Why nothing runs although something should, for instance ImagePullBackOff or Unschedulable."""
    generation: Count | None = None
    """Generation of the spec that it works from."""
    spec_hash: Fingerprint | None = None
    """Digest of that spec, as far as a run depends on it."""
    attempt: Count | None = None
    """Number of the current attempt."""
    started_at: Time | None = None
    """When it was decided on."""
    finished_at: Time | None = None
    """When it ended."""
    retry_at: Time | None = None
    """When the next attempt starts."""
    jobs: Annotated[tuple[Job, ...], Field(max_length=16), ListMap()] | None = None
    """The Jobs that do it."""
    stages: Annotated[tuple[Stage, ...], Field(max_length=16), ListMap()] | None = None
    """Its stages, in order."""
    metrics: Metrics | None = None
    """What Evaluate measured on the test split."""
    blessing: Short | None = None
    """Whether the model is good enough: Blessed, NotBlessed or NotEvaluated."""
    data_fingerprint: Fingerprint | None = None
    """Digest of the data that it read."""
    failure: Failure | None = None
    """Why its latest failed attempt failed."""
