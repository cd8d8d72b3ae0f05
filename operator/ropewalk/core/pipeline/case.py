"""One pass over one Pipeline: what it reads (spec and status are parsed once), and the decision."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from ropewalk_contract import wire
from ropewalk_contract.api.pipeline import PipelineSpec

from ..jobs.observed import attempt
from ..kinds import CLAIM, CONFIG_MAP, MODEL_DEPLOYMENT
from ..plan import Config, Json, Observed, Peers, Plan, Ref, ScrapeRequest
from . import status
from .parts import job, planner
from .plan import plan
from .state import read


class Case:
    """As `ropewalk.core.plan.Case`. An unreadable spec stalls the Pipeline; nothing that runs is touched then."""

    def __init__(self, owner: Json, config: Config) -> None:
        self._owner = owner
        self._spec: PipelineSpec | ValidationError
        try:
            self._spec = PipelineSpec.model_validate(owner.get("spec") or {})
        except ValidationError as error:
            self._spec = error
        self._state = read(owner.get("status") or {})

    def related(self) -> tuple[Ref, ...]:
        """ModelDeployments whose drift counts; while a Job is under way, the claims and ConfigMaps that it mounts."""
        spec, run, helper_job = self._spec, self._state.run, self._state.helper_job
        if isinstance(spec, ValidationError):
            return ()
        watched = spec.triggers.drift.model_deployments if spec.triggers.drift else ()
        followed = tuple(MODEL_DEPLOYMENT.ref(name) for name in watched)
        if not (run is not None and run.active) and not (helper_job is not None and helper_job.active):
            return followed
        uris = (spec.artifacts.uri, spec.source.uri)
        return (
            *(CLAIM.ref(name) for name in job.claims(uris)),
            *(CONFIG_MAP.ref(name) for name in job.config_maps(uris)),
            *followed,
        )

    def peers(self) -> Peers | None:
        """The ModelDeployments of the namespace, where it counts what they follow, refuse or serve."""
        helper_job = self._state.helper_job is not None and self._state.helper_job.active
        return Peers(MODEL_DEPLOYMENT.name) if self._state.champion or helper_job else None

    def scrapes(self, children: tuple[Json, ...]) -> tuple[ScrapeRequest, ...]:
        """The progress of the container that is at work, if one is."""
        run = self._state.run
        if run is None or not run.active:
            return ()
        found = attempt(children, planner.job_name(self._owner, run))
        pod = found.pod if found else None
        if pod is None or not pod.ip or "running" not in (pod.train.state, pod.smoke_test.state):
            return ()
        return (ScrapeRequest(pod.name, pod.ip, wire.PROGRESS_PORT, wire.PROGRESS_PATH),)

    def plan(self, observed: Observed, now: datetime) -> Plan:
        """The decision."""
        if isinstance(self._spec, ValidationError):
            stalled = status.of_invalid_spec(self._owner, self._spec, now)
            return Plan(status=stalled if stalled != (self._owner.get("status") or {}) else None)
        return plan(self._spec, self._state, observed, now)
