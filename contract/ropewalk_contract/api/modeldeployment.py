"""The resource ModelDeployment: a version of a model, answered for by pods, and watched."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ropewalk_contract.api.common import (
    API_VERSION,
    NAME_RULES,
    Digest,
    Magnitude,
    Model,
    Name,
    ObjectMeta,
    ObjectName,
    PvcUri,
)
from ropewalk_contract.api.markers import Column, ListMap, ListSet, Resource, Rule
from ropewalk_contract.api.modeldeployment_status import ModelDeploymentStatus
from ropewalk_contract.api.serving import TLS, Authentication, Limits, Serving

__all__ = [
    "MODELDEPLOYMENT",
    "TLS",
    "Authentication",
    "Autoscaling",
    "DriftMonitor",
    "Feedback",
    "Limits",
    "LocalObject",
    "ModelDeployment",
    "ModelDeploymentSpec",
    "ModelDeploymentStatus",
    "ModelSource",
    "Monitor",
    "PerformanceMonitor",
    "Serving",
]

_WINDOW_PATTERN = r"^([1-9][0-9]{0,2}d|([0-9]{1,5}(s|m|h)){1,3})$"
TrafficWindow = Annotated[
    str,
    Field(max_length=32, pattern=_WINDOW_PATTERN),
    Rule(
        rule="self.endsWith('d') ? self == '1d' : "
        "(duration(self) >= duration('1m') && duration(self) <= duration('24h'))",
        message="a window of traffic has at least 1m and at most 24h",
    ),
    Rule(
        rule="self.endsWith('d') || duration(self).getSeconds() % (duration(self) < duration('10m') ? 10 : 60) == 0",
        message="a window of traffic is a multiple of 10s, from 10m on of 1m: pods count in buckets of that length",
    ),
]
LabelWindow = Annotated[
    str,
    Field(max_length=32, pattern=_WINDOW_PATTERN),
    Rule(rule="self.endsWith('d') || duration(self) >= duration('1m')", message="a window of labels has at least 1m"),
]


class ModelSource(Model):
    """What is served: a Pipeline's champion, one version of it, or a model at a uri."""

    rules = (
        Rule(
            rule="has(self.pipeline) != has(self.uri)",
            message="name either pipeline (serve its champion, or a pinned version of it) or uri with digest",
        ),
        Rule(
            rule="!has(self.version) || has(self.pipeline)",
            message="version pins a version of a pipeline: name the pipeline too",
        ),
        Rule(
            rule="has(self.uri) == has(self.digest)",
            message="uri and digest belong together: the digest proves that what lies there is the model meant",
        ),
    )

    pipeline: ObjectName | None = None
    """A Pipeline of this namespace. Its champion is served, and so is each later one."""
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Serves this version of the Pipeline instead of its champion."""
    uri: PvcUri | None = None
    """A model's directory, pvc://CLAIM/PATH, in place of a Pipeline."""
    digest: Digest | None = None
    """Proves every file of the model at `uri`: sha256: and the sha256 of its assets.extra/ropewalk/manifest.json.
    A Pipeline shows it as manifestDigest, at status.champion and at status.history.

    A SavedModel from elsewhere has no such file, and is imported. Then it is what its directory gives for
    `find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum`; a wrong one is answered with
    the right one in status.imported.message.
    """


class Autoscaling(Model):
    """Lets the load decide the number of pods (a HorizontalPodAutoscaler)."""

    rules = (
        Rule(rule="self.minReplicas <= self.maxReplicas", message="minReplicas may not be greater than maxReplicas"),
    )

    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """Fewest pods."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)]
    """Most pods."""
    target_cpu_percent: Annotated[int, Field(ge=1, le=1000)] = 70
    """Mean CPU use that is aimed at, in percent of what the pods request."""


class LocalObject(Model):
    """Names another object of this namespace."""

    name: ObjectName
    """Its name."""


class DriftMonitor(Model):
    """When live data count as drifted from those of training (condition DataDrift)."""

    metric: Literal["PSI"] = "PSI"
    """How distributions are compared: PSI, the population stability index."""
    threshold: Magnitude = "0.2"
    """The score from which a feature counts as drifted; 0.1 is a slight and 0.2 a clear shift by convention."""
    consecutive_windows: Annotated[int, Field(ge=1, le=100)] = 2
    """Windows in a row that must be drifted, so that one odd hour is not an alarm. After as many without a verdict, and
    three at least, DataDrift is Unknown."""
    features: Annotated[tuple[Name, ...], Field(max_length=512), ListSet()] = ()
    """The features that are watched; empty: all. Names that the live version does not have are told in DataDrift."""


class Feedback(Model):
    """Gives predictions ids, receipts that :feedback takes with labels; nobody can make one up without the key."""

    secret: ObjectName
    """A Secret of this namespace whose `key`, 16 bytes or more, signs prediction ids."""


class PerformanceMonitor(Model):
    """How good predictions are, by the labels sent to :feedback."""

    window: LabelWindow = "7d"
    """How far back labels count, those for the live version: labels for former ones are in the servers' metrics."""
    min_labels: Annotated[int, Field(ge=1, le=10**9)] = 200
    """Fewest labels that a number is given for."""


class Monitor(Model):
    """What is watched in the traffic."""

    window: TrafficWindow = "24h"
    """Length of a window, 1m to 24h, a multiple of 10s and from 10m on of 1m. Windows are disjoint and aligned to the
    clock; a daily cycle must fit in one."""
    min_samples: Annotated[int, Field(ge=1, le=10**9)] = 1000
    """Fewest rows of a window that a verdict is given for."""
    min_requests: Annotated[int, Field(ge=1, le=10**9)] = 100
    """Fewest requests that these rows came in, since the rows of one request are alike."""
    drift: DriftMonitor = DriftMonitor()
    """When live data count as drifted."""
    performance: PerformanceMonitor = PerformanceMonitor()
    """How good predictions are, by labels that come in later."""
    feedback: Feedback | None = None
    """Signs prediction ids; without it predictions have none, and no labels are counted. Send each label once: sent
    again, it may reach another pod and count twice."""


class ModelDeploymentSpec(Model):
    """What is served, by how many pods, and what is watched. Nobody but its author writes it."""

    rules = (
        Rule(
            rule="self.serving.authentication.type != 'Kubernetes' || has(self.serviceAccountName)",
            message="serving.authentication.type Kubernetes needs serviceAccountName, a ServiceAccount bound to the "
            "ClusterRole system:auth-delegator",
        ),
    )

    model: ModelSource
    """What is served."""
    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    """Number of pods; `kubectl scale` sets it. It is left alone while `autoscaling` is set."""
    autoscaling: Autoscaling | None = None
    """Lets the load decide the number of pods."""
    service_account_name: ObjectName | None = None
    """Another ServiceAccount for the pods than their own, which has no rights. Its token is mounted for
    serving.authentication.type Kubernetes only."""
    image_pull_secrets: Annotated[tuple[LocalObject, ...], Field(max_length=16), ListMap()] = ()
    """Secrets of this namespace with which kubelet pulls the server's image."""
    serving: Serving = Serving()
    """How the pods serve."""
    monitor: Monitor = Monitor()
    """What is watched in the traffic."""


class ModelDeployment(Model):
    """A ModelDeployment serves a model over HTTP, moves to new versions without a failed request, and watches them."""

    rules = NAME_RULES

    api_version: Literal["ropewalk.dev/v1alpha1"] = API_VERSION
    """The version of this API."""
    kind: Literal["ModelDeployment"] = "ModelDeployment"
    """The kind of this object."""
    metadata: ObjectMeta = ObjectMeta()
    """Name, namespace, labels and annotations."""
    spec: ModelDeploymentSpec
    """What is served, by how many pods, and what is watched."""
    status: ModelDeploymentStatus = ModelDeploymentStatus()
    """What Ropewalk has seen and done. It is written by the operator alone."""


MODELDEPLOYMENT = Resource(
    kind="ModelDeployment",
    plural="modeldeployments",
    # NB: not `md`, which Cluster API's MachineDeployments have; a CRD whose names are taken is not served at all.
    short_names=("mdep",),
    scale=True,
    columns=(
        Column("Ready", ".status.summary.ready", description="Whether predictions are answered, and by how many pods"),
        Column("Live", ".status.summary.live", description="Version that answers"),
        Column("Candidate", ".status.summary.candidate", description="Version on its way"),
        Column("Traffic", ".status.summary.traffic", wide=True, description="Share of requests that live answers"),
        Column("RPS", ".status.summary.rps", description="Requests a second"),
        Column("P95", ".status.summary.p95", description="95th percentile of the latency"),
        Column("Errors", ".status.summary.errors", wide=True, description="Share of requests that failed"),
        Column("Drift", ".status.summary.drift", description="The worst feature and its score"),
        Column("Accuracy", ".status.summary.accuracy", description="Accuracy by the labels that came in"),
        Column("Message", ".status.summary.message", description="What is wrong and what helps"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
"""What the CRD says beside the schema."""
