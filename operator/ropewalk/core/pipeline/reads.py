"""What a decision about a Pipeline has to be told beside its children: other objects, and the progress of a pod."""

from __future__ import annotations

from pydantic import ValidationError

from ropewalk_contract import wire
from ropewalk_contract.api.pipeline import PipelineSpec

from ..jobs.observed import attempt
from ..plan import Config, Json, Peers, Ref, ScrapeRequest
from .parts import job, planner
from .state import read as read_state
from .triggers.chain import model_deployment

PROGRESS = wire.PROGRESS_PATH


def related(owner: Json) -> tuple[Ref, ...]:
    """Claims and ConfigMaps that a run mounts, and ModelDeployments whose drift counts."""
    try:
        spec = PipelineSpec.model_validate(owner.get("spec") or {})
    except ValidationError:
        return ()
    uris = (spec.artifacts.uri, spec.source.uri)
    claims = tuple(Ref("v1", "PersistentVolumeClaim", name) for name in job.claims(uris))
    config_maps = tuple(Ref("v1", "ConfigMap", name) for name in job.config_maps(uris))
    watched = spec.triggers.drift.model_deployments if spec.triggers.drift else ()
    return (*claims, *config_maps, *(model_deployment(name) for name in watched))


def peers(owner: Json, config: Config) -> Peers | None:
    """The ModelDeployments of the namespace, where it counts what they follow, refuse or serve."""
    state = read_state(owner.get("status") or {})
    helper_job = state.helper_job is not None and state.helper_job.active
    return Peers("ModelDeployment") if state.champion or helper_job else None


def scrapes(owner: Json, children: tuple[Json, ...]) -> tuple[ScrapeRequest, ...]:
    """The progress of the container that is at work, if one is."""
    run = read_state(owner.get("status") or {}).run
    if run is None or not run.active:
        return ()
    found = attempt(children, planner.job_name(owner, run))
    pod = found.pod if found else None
    if pod is None or not pod.ip or "running" not in (pod.train.state, pod.smoke_test.state):
        return ()
    return (ScrapeRequest(pod.name, pod.ip, job.PROGRESS_PORT, PROGRESS),)
