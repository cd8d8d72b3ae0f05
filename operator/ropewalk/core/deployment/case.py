"""One pass over one ModelDeployment: what it reads (spec, status and totals are parsed once), and the decision."""

from __future__ import annotations

from datetime import datetime

from ropewalk_contract.api.modeldeployment import ModelDeployment

from ..kinds import AUTOSCALER, CLAIM, PIPELINE
from ..plan import Config, Json, Observed, Peers, Plan, Ref, ScrapeRequest
from . import image, state
from . import spec as specs
from .children.workload import MONITORING_PORT, server_name
from .observe import pods as fleet
from .observe import totals_configmap, window_totals
from .observe.totals_configmap import StoredTotals
from .plan import plan
from .status.invalid import invalid
from .versions import Version, get


class Case:
    """As `ropewalk.core.plan.Case`. A spec that cannot be honoured stalls the ModelDeployment; its pods still serve."""

    def __init__(self, owner: Json, config: Config) -> None:
        self._owner, self._config = owner, config
        self._resource: ModelDeployment | Exception
        try:
            self._resource = specs.read(owner)
        except (ValueError, TypeError, AttributeError) as error:
            self._resource = error
        self._state = state.read(owner)
        self._stored: tuple[tuple[Json, ...], StoredTotals] | None = None

    def related(self) -> tuple[Ref, ...]:
        """The followed Pipeline, the claims of every version that is served or on its way, and the autoscaler."""
        refs: dict[Ref, None] = {}
        pipeline = get(self._owner, "spec", "model", "pipeline")
        if pipeline:
            refs[PIPELINE.ref(str(pipeline))] = None
        versions = list(self._state.routes.versions) if self._state.routes else []
        if self._state.candidate is not None:
            versions.append(self._state.candidate.version)
        stated = Version.from_document({"version": 1, "uri": get(self._owner, "spec", "model", "uri")})
        for version in [*versions, *([stated] if stated else [])]:
            refs[CLAIM.ref(version.claim)] = None
        if not isinstance(self._resource, Exception) and self._resource.spec.autoscaling is not None:
            refs[AUTOSCALER.ref(server_name(self._resource))] = None
        return tuple(refs)

    def peers(self) -> Peers | None:
        """All ModelDeployments everywhere, while this one runs another image than the operator has."""
        return image.peers(self._owner, self._config)

    def scrapes(self, children: tuple[Json, ...]) -> tuple[ScrapeRequest, ...]:
        """Every pod's status; its windows too, of all versions that count, and once the live version's baseline from
        one of them. A pod that is being deleted reports its last windows now or never."""
        if isinstance(self._resource, Exception):
            return ()
        pods = [pod for pod in fleet.pods(self._resource, children, {}) if pod.ip]
        asked = [pod for pod in pods if pod.running]
        requests = [ScrapeRequest(pod.name, pod.ip, MONITORING_PORT, fleet.STATUS_PATH) for pod in asked]
        live, counted = self._state.live, self._state.counted
        if live is None:
            return tuple(requests)
        ready = [pod for pod in asked if pod.ready]
        stored = self._totals(self._resource, children)
        for pod in (*ready, *(pod for pod in pods if pod.leaves_by is not None)):
            since = window_totals.begin(stored.totals, counted, pod.name)
            requests.append(ScrapeRequest(pod.name, pod.ip, MONITORING_PORT, f"{fleet.WINDOWS_PATH}?since={since}"))
        if live.version.key not in stored.baselines:
            requests += [ScrapeRequest(pod.name, pod.ip, MONITORING_PORT, fleet.BASELINE_PATH) for pod in ready[:1]]
        return tuple(requests)

    def plan(self, observed: Observed, now: datetime) -> Plan:
        """The decision."""
        if isinstance(self._resource, Exception):
            return invalid(self._owner, str(self._resource), now)
        return plan(self._resource, self._state, self._totals(self._resource, observed.children), observed, now)

    def _totals(self, resource: ModelDeployment, children: tuple[Json, ...]) -> StoredTotals:
        """Baseline and totals in the ConfigMaps of `children`, up to 900 KB of JSON each: parsed once a pass."""
        if self._stored is None or self._stored[0] is not children:
            self._stored = children, totals_configmap.read(resource.metadata.name, children)
        return self._stored[1]
