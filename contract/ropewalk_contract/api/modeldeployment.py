"""The resource ModelDeployment: pods that answer with a version of a model, and the monitoring of their traffic."""

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
    """The model: the champion of a Pipeline, one version of a Pipeline, or a model at a uri."""

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
    """A Pipeline of this namespace. Its champion is served, and later each new champion."""
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Serves this version of the Pipeline instead of its champion."""
    uri: PvcUri | None = None
    """Directory of a model, pvc://CLAIM/PATH, instead of a Pipeline."""
    digest: Digest | None = None
    """Digest of the model at `uri`: sha256: and the sha256 of its assets.extra/ropewalk/manifest.json, which lists the
    digest of every file. A Pipeline shows it as manifestDigest in status.champion and status.history.

    A SavedModel without this file is imported. Its digest is the output, in its directory, of
    `find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum`. If the digest is wrong,
    status.imported.message states the right one.
    """


class Autoscaling(Model):
    """A HorizontalPodAutoscaler sets the number of pods by their load."""

    rules = (
        Rule(rule="self.minReplicas <= self.maxReplicas", message="minReplicas may not be greater than maxReplicas"),
    )

    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """Smallest number of pods."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)]
    """Largest number of pods."""
    target_cpu_percent: Annotated[int, Field(ge=1, le=1000)] = 70
    """Target of the mean CPU use, in percent of the CPU requests of the pods."""


class LocalObject(Model):
    """Reference to another object of this namespace."""

    name: ObjectName
    """Name of the object."""


class DriftMonitor(Model):
    """Comparison of live data with the training data (condition DataDrift)."""

    metric: Literal["PSI"] = "PSI"
    """Distance of the distributions: PSI, the population stability index."""
    threshold: Magnitude = "0.2"
    """Score from which a feature counts as drifted. By convention 0.1 is a slight and 0.2 a clear shift."""
    consecutive_windows: Annotated[int, Field(ge=1, le=100)] = 2
    """Number of drifted windows in a row for DataDrift to be True. After as many windows without a verdict, at least
    three, DataDrift is Unknown."""
    features: Annotated[tuple[Name, ...], Field(max_length=512), ListSet()] = ()
    """Features to compare. Empty: all. DataDrift states names that the live version does not have."""


class Feedback(Model):
    """Signed ids of predictions (receipts), with which clients send true labels to :feedback."""

    secret: ObjectName
    """A Secret of this namespace. Its `key`, 16 bytes or more, signs prediction ids."""


class PerformanceMonitor(Model):
    """Quality of predictions by the labels sent to :feedback."""

    window: LabelWindow = "7d"
    """Age up to which labels count. Labels for former versions count in the servers' metrics only."""
    min_labels: Annotated[int, Field(ge=1, le=10**9)] = 200
    """Smallest number of labels for which metrics are given."""


class Monitor(Model):
    """Monitoring of the traffic."""

    window: TrafficWindow = "24h"
    """Length of a window, 1m to 24h: a multiple of 10s, and from 10m on of 1m. Windows do not overlap and are aligned
    to the clock. A daily cycle must fit into one window."""
    min_samples: Annotated[int, Field(ge=1, le=10**9)] = 1000
    """Smallest number of rows in a window for a verdict."""
    min_requests: Annotated[int, Field(ge=1, le=10**9)] = 100
    """Smallest number of requests in a window for a verdict, since the rows of one request resemble each other."""
    drift: DriftMonitor = DriftMonitor()
    """Comparison of live data with the training data."""
    performance: PerformanceMonitor = PerformanceMonitor()
    """Quality of predictions by labels."""
    feedback: Feedback | None = None
    """Signed ids of predictions. Absent: predictions have no id, and labels are refused. Send each label once: a label
    that is sent again may reach another pod and count twice."""


class ModelDeploymentSpec(Model):
    """The wanted state: model, pods, monitoring. The operator never writes it."""

    rules = (
        Rule(
            rule="self.serving.authentication.type != 'Kubernetes' || has(self.serviceAccountName)",
            message="serving.authentication.type Kubernetes needs serviceAccountName, a ServiceAccount bound to the "
            "ClusterRole system:auth-delegator",
        ),
    )

    model: ModelSource
    """The model that is served."""
    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    """Number of pods, which `kubectl scale` can set. It is ignored while `autoscaling` is set."""
    autoscaling: Autoscaling | None = None
    """A HorizontalPodAutoscaler sets the number of pods."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the pods. Absent: an account without rights. Its token is mounted for
    serving.authentication.type Kubernetes only."""
    image_pull_secrets: Annotated[tuple[LocalObject, ...], Field(max_length=16), ListMap()] = ()
    """Secrets of this namespace for pulling the server's image."""
    serving: Serving = Serving()
    """Settings of the pods that answer predictions."""
    monitor: Monitor = Monitor()
    """Monitoring of the traffic."""


class ModelDeployment(Model):
    """A ModelDeployment serves a model, changes versions without failed requests and monitors the traffic."""

    rules = NAME_RULES

    api_version: Literal["ropewalk.dev/v1alpha1"] = API_VERSION
    """The version of this API."""
    kind: Literal["ModelDeployment"] = "ModelDeployment"
    """The kind of this object."""
    metadata: ObjectMeta = ObjectMeta()
    """Name, namespace, labels and annotations."""
    spec: ModelDeploymentSpec
    """The wanted state: model, pods, monitoring."""
    status: ModelDeploymentStatus = ModelDeploymentStatus()
    """The observed state. Only the operator writes it."""


MODELDEPLOYMENT = Resource(
    kind="ModelDeployment",
    plural="modeldeployments",
    # NB: not `md`, which Cluster API's MachineDeployments have; a CRD whose names are taken is not served at all.
    short_names=("mdep",),
    scale=True,
    columns=(
        Column("Ready", ".status.summary.ready", description="Pods that answer predictions, of those asked for"),
        Column("Live", ".status.summary.live", description="Version that answers"),
        Column("Candidate", ".status.summary.candidate", description="Version that is being rolled out"),
        Column("Traffic", ".status.summary.traffic", wide=True, description="Share of requests for the live version"),
        Column("RPS", ".status.summary.rps", description="Requests a second"),
        Column("P95", ".status.summary.p95", description="95th percentile of the latency"),
        Column("Errors", ".status.summary.errors", wide=True, description="Share of requests that failed"),
        Column("Drift", ".status.summary.drift", description="The worst feature and its score"),
        Column("Accuracy", ".status.summary.accuracy", description="Accuracy by labels"),
        Column("Message", ".status.summary.message", description="The problem and the remedy"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
"""The part of the CRD beside the schema."""
