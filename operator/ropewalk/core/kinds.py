"""Kinds of objects that the operator deals with: one table for client, watches, passes and the test of RBAC.

A new kind of child is one entry here, its rights in manifests/shared/operator-role.yaml and the code that makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ropewalk_contract import wire

from . import names
from .plan import Ref


class Watch(Enum):
    """Events of a kind that ask for a pass over the owner."""

    NONE = "none"
    """No event: objects of the kind are read by name, written, or listed."""
    DELETION = "deletion"
    """Deletions only: the operator alone writes the kind, and its content follows from the owner's spec."""
    CONDITIONS = "conditions"
    """Deletions and changed conditions: other fields of the status change all the time and decide nothing."""
    EVENTS = "events"
    """Every event."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `owner_label` is set for the two custom resources, `children_of` for what they own."""

    api_version: str
    name: str
    plural: str
    owner_label: str = ""
    """Label of all children of a resource of this kind; its value is `names.label_value` of the resource's name."""
    children_of: frozenset[str] = frozenset()
    """Names of the kinds whose resources own objects of this kind."""
    watch: Watch = Watch.NONE
    pause: float = 0.1
    """Seconds between an event and the pass that it asks for: children change in bursts, one pass sees them all."""

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """API version without the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def listed_in_every_pass(self) -> bool:
        """Children that events report in full are listed in every pass, others now and then (`shell/quiet.py`)."""
        return bool(self.children_of) and self.watch is Watch.EVENTS

    def ref(self, name: str) -> Ref:
        """The object of that name in the owner's namespace."""
        return Ref(self.api_version, self.name, name)


_ROPEWALK = wire.API_VERSION
_BOTH = frozenset({"Pipeline", "ModelDeployment"})
_SERVING = frozenset({"ModelDeployment"})

PIPELINE = Kind(_ROPEWALK, "Pipeline", "pipelines", owner_label=names.PIPELINE_LABEL, watch=Watch.EVENTS)
MODEL_DEPLOYMENT = Kind(
    _ROPEWALK, "ModelDeployment", wire.MODELDEPLOYMENTS, owner_label=names.MODEL_DEPLOYMENT_LABEL, watch=Watch.EVENTS
)
JOB = Kind("batch/v1", "Job", "jobs", children_of=_BOTH, watch=Watch.EVENTS)
POD = Kind("v1", "Pod", "pods", children_of=_BOTH, watch=Watch.EVENTS)
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps", children_of=_BOTH, watch=Watch.EVENTS)
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments", children_of=_SERVING, watch=Watch.EVENTS, pause=1.0)
"""Its pause is longer: a Deployment's status reports little that its pods have not reported before."""
SERVICE = Kind("v1", "Service", "services", children_of=_SERVING, watch=Watch.DELETION)
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts", children_of=_SERVING, watch=Watch.DELETION)
DISRUPTION_BUDGET = Kind(
    "policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", children_of=_SERVING, watch=Watch.DELETION
)
NETWORK_POLICY = Kind(
    "networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", children_of=_SERVING, watch=Watch.DELETION
)
AUTOSCALER = Kind(
    "autoscaling/v2",
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
    children_of=_SERVING,
    watch=Watch.CONDITIONS,
    pause=1.0,
)
CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
EVENT = Kind("v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
# Not in a namespace: the client gets none for it.
DEFINITION = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions")

ALL = (
    PIPELINE,
    MODEL_DEPLOYMENT,
    JOB,
    POD,
    CONFIG_MAP,
    DEPLOYMENT,
    SERVICE,
    SERVICE_ACCOUNT,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    AUTOSCALER,
    CLAIM,
    EVENT,
    LEASE,
    DEFINITION,
)
RESOURCES = {kind.name: kind for kind in ALL if kind.owner_label}
"""The custom resources that passes are made over, by name."""
CHILDREN = tuple(kind for kind in ALL if kind.children_of)
_BY_NAME = {(kind.api_version, kind.name): kind for kind in ALL}


def of(api_version: str, name: str) -> Kind:
    """The kind of an object by its `apiVersion` and `kind`; KeyError for one that is not in the table."""
    return _BY_NAME[api_version, name]


def listed(owner: str) -> tuple[Kind, ...]:
    """Kinds of children that every pass over a resource of kind `owner` lists."""
    return tuple(kind for kind in CHILDREN if owner in kind.children_of and kind.listed_in_every_pass)


def quiet(owner: str) -> tuple[Kind, ...]:
    """Kinds of children that a pass over a resource of kind `owner` lists only when it has to (`shell/quiet.py`)."""
    return tuple(kind for kind in CHILDREN if owner in kind.children_of and not kind.listed_in_every_pass)
