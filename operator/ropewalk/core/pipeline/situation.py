"""The situation of a Pipeline in one pass: spec, stored state, children, and the attempt of the Job in flight.

It is built once and not changed. The phases of `plan.plan` decide by it and by the state that the phases before them
have left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ropewalk_contract.api.pipeline import PipelineSpec

from ..jobs.observed import Attempt, attempt
from ..objects import metadata, owned
from ..plan import Config, Json, Observed, Ref
from .parts import job, planner
from .state import PipelineState


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that a decision rests on."""

    spec: PipelineSpec
    spec_hash: str
    """Digest of the fields that a run depends on."""
    state: PipelineState
    """The state as it was read from status."""
    children: tuple[Json, ...]
    """The objects of this very Pipeline, not of a namesake."""
    job_name: str
    """The Job of the run or, without one, of the helper job in flight; empty if neither is."""
    attempt: Attempt | None
    """That Job and its pod as they were observed; None if the Job is not there."""
    observed: Observed
    """The objects as they were read: owner, related objects, peers, answers of pods."""
    now: datetime

    @property
    def owner(self) -> Json:
        """The Pipeline itself."""
        return self.observed.owner

    @property
    def uid(self) -> str:
        """The Pipeline's uid."""
        return str(metadata(self.owner).get("uid", ""))

    @property
    def generation(self) -> int:
        """The generation of the spec."""
        return int(metadata(self.owner).get("generation") or 0)

    @property
    def config(self) -> Config:
        """The operator's own installation."""
        return self.observed.config

    @property
    def related(self) -> Mapping[Ref, Json | None]:
        """ModelDeployments whose drift counts, mounted claims and ConfigMaps; None for one that is not there."""
        return self.observed.related

    @property
    def peers(self) -> tuple[Json, ...] | None:
        """The ModelDeployments of the namespace; None if they could not be listed."""
        return self.observed.peers


def situate(spec: PipelineSpec, state: PipelineState, observed: Observed, now: datetime) -> Situation:
    """The situation."""
    children = owned(observed.owner, observed.children)
    name = _job_name(observed.owner, state)
    return Situation(
        spec=spec,
        spec_hash=planner.spec_hash(spec),
        state=state,
        children=children,
        job_name=name,
        attempt=attempt(children, name) if name else None,
        observed=observed,
        now=now,
    )


def _job_name(owner: Json, state: PipelineState) -> str:
    if state.run is not None and state.run.active:
        return planner.job_name(owner, state.run)
    if state.helper_job is not None and state.helper_job.active:
        return job.helper_job_name(owner, state.helper_job.id)
    return ""
