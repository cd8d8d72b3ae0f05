"""What a decision about a ModelDeployment has to be told beside its children: other objects, and the pods' words."""

from __future__ import annotations

from ..plan import Json, Ref, ScrapeRequest
from . import spec as specs
from . import state
from .children.workload import MONITORING_PORT, autoscaler_ref
from .image import peers
from .observe import pods as fleet
from .observe import totals_configmap, window_totals
from .target import claim_ref, pipeline_ref
from .versions import Version, get

__all__ = ["peers", "related", "scrapes"]


def related(owner: Json) -> tuple[Ref, ...]:
    """The followed Pipeline, the claims of every version that is served or on its way, and the autoscaler."""
    refs: dict[Ref, None] = {}
    pipeline = get(owner, "spec", "model", "pipeline")
    if pipeline:
        refs[pipeline_ref(str(pipeline))] = None
    remembered = state.read(owner, None)
    versions = list(remembered.routes.versions) if remembered.routes else []
    if remembered.candidate is not None:
        versions.append(remembered.candidate.version)
    stated = Version.from_document({"version": 1, "uri": get(owner, "spec", "model", "uri")})
    for version in [*versions, *([stated] if stated else [])]:
        refs[claim_ref(version.claim)] = None
    if get(owner, "spec", "autoscaling"):
        refs[autoscaler_ref(str(get(owner, "metadata", "name")))] = None
    return tuple(refs)


def scrapes(owner: Json, children: tuple[Json, ...]) -> tuple[ScrapeRequest, ...]:
    """Every pod's status; its windows too and once the baseline from one of them, but not in the quick looks while a
    version changes. One that waits (it has a message then) is no reason to look away from what is live. A pod that is
    being deleted tells its last windows now or never."""
    try:
        resource = specs.read(owner)
    except (ValueError, TypeError, AttributeError):
        return ()
    pods = [pod for pod in fleet.pods(resource, children, {}) if pod.ip]
    asked = [pod for pod in pods if pod.running]
    requests = [ScrapeRequest(pod.name, pod.ip, MONITORING_PORT, fleet.STATUS_PATH) for pod in asked]
    remembered = state.read(owner, None)
    in_a_hurry = remembered.candidate is not None and not get(owner, "status", "candidate", "message")
    if remembered.live is not None:
        ready, stored = (
            [pod for pod in asked if pod.ready and not in_a_hurry],
            totals_configmap.read(resource.metadata.name, children),
        )
        for pod in (*ready, *(pod for pod in pods if pod.leaves_by is not None)):
            path = f"{fleet.WINDOWS_PATH}?since={window_totals.since(stored.totals, remembered.live, pod.name)}"
            requests.append(ScrapeRequest(pod.name, pod.ip, MONITORING_PORT, path))
        if stored.baseline_of(remembered.live) is None:
            requests += [ScrapeRequest(pod.name, pod.ip, MONITORING_PORT, fleet.BASELINE_PATH) for pod in ready[:1]]
    return tuple(requests)
