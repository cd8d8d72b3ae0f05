"""ModelDeployment.status: versions, rollout, traffic, drift and quality. Only the operator writes it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ropewalk_contract.api.common import (
    Conditions,
    Count,
    Fingerprint,
    Message,
    Metrics,
    Reason,
    Short,
    StatusModel,
    Time,
    Uri,
)
from ropewalk_contract.api.markers import ListAtomic, ListMap

PodName = Annotated[str, Field(max_length=253)]
Value = Annotated[str, Field(max_length=32)]


class ModelDeploymentSummary(StatusModel):
    """The texts of the columns of `kubectl get modeldeployments`."""

    ready: Short | None = None
    """Pods that answer predictions, of those asked for."""
    live: Short | None = None
    """Version that answers."""
    candidate: Short | None = None
    """Version that is being rolled out, and its step."""
    traffic: Short | None = None
    """Share of requests that the live version answers."""
    rps: Short | None = None
    """Requests a second."""
    p95: Short | None = None
    """95th percentile of the latency."""
    errors: Short | None = None
    """Share of requests that failed."""
    drift: Short | None = None
    """The worst feature and its score."""
    accuracy: Short | None = None
    """Accuracy (or error) by labels."""
    message: Message | None = None
    """The problem and the remedy."""


class ServedVersion(StatusModel):
    """A version of a model: number, place, digests."""

    version: Count | None = None
    """Number of the version."""
    uri: Uri | None = None
    """Uri of its directory."""
    digest: Fingerprint | None = None
    """Digest of the model's files."""
    manifest_digest: Fingerprint | None = None
    """Digest of the manifest that lists every file with its own."""
    served_as: Count | None = None
    """Number in the servers, where another model had its own number when it was rolled out."""


class Live(ServedVersion):
    """The version that answers, as the pods report."""

    engine: Short | None = None
    """The engine that computes."""
    since: Time | None = None
    """Time at which the last pod switched to it."""
    weight: Count | None = None
    """Share of requests that it answers, in percent. Always 100."""


class Performance(StatusModel):
    """Quality of a version's predictions by the true labels."""

    window: Value | None = None
    """Length of the window."""
    at: Time | None = None
    """Time at which the window closed."""
    version: Count | None = None
    """The version that made the predictions."""
    labels: Count | None = None
    """Number of labels behind the metrics. A label that was sent to two pods counts twice."""
    metrics: Metrics | None = None
    """Metrics as decimal strings."""


class Candidate(ServedVersion):
    """The version that is being rolled out."""

    step: Short | None = None
    """Pending (no pod can load it), Loading (in the pilot pod), Spreading (in all pods) or Switching."""
    since: Time | None = None
    """Time at which the step began."""
    message: Message | None = None
    """Condition that the step waits for."""
    performance: Performance | None = None
    """Quality of its predictions by the true labels."""


class Retired(ServedVersion):
    """The version that answered before. Its counts are kept: labels for its predictions may still come."""

    since: Time | None = None
    """Time at which it became live."""
    until: Time | None = None
    """Time at which another version took its place."""
    performance: Performance | None = None
    """Quality of its predictions by the true labels."""


class Imported(StatusModel):
    """The import of the SavedModel at spec.model.uri, which has no manifest of Ropewalk."""

    id: Count | None = None
    """Number of the attempt. It grows with every attempt."""
    uri: Uri | None = None
    """Uri of the SavedModel. It is not changed."""
    digest: Fingerprint | None = None
    """Digest of its files, as in spec.model.digest."""
    state: Short | None = None
    """Running, Succeeded or Failed."""
    reason: Reason | None = None
    """Reason of a failure, such as ForbiddenOp, NoSignature, UnsupportedSignature or DigestMismatch."""
    message: Message | None = None
    """Message for people: of a failure its cause, of a success the engines."""
    waiting: Reason | None = None
    """Reason why its pod does not run."""
    final: bool | None = None
    """True: no further attempt until the spec changes."""
    started_at: Time | None = None
    """Time of the start."""
    finished_at: Time | None = None
    """Time of the end."""
    version: ServedVersion | None = None
    """The version that was made of it: a copy in the same claim. Servers load the copy."""
    engines: Annotated[tuple[Short, ...], Field(max_length=5), ListAtomic()] | None = None
    """Engines on which it was proved."""


class Routes(StatusModel):
    """The versions that servers load, and the one that answers."""

    revision: Count | None = None
    """Number of the routes. It grows with every change."""
    live: Count | None = None
    """Version that answers requests without a version."""
    pilot: PodName | None = None
    """The one pod that loads a new version first."""
    retry: Count | None = None
    """It grows when failed versions are tried again: after a change of the spec or another promotion."""
    at: Time | None = None
    """Time of the decision on this revision."""
    versions: Annotated[tuple[ServedVersion, ...], Field(max_length=8), ListAtomic()] | None = None
    """Versions that servers keep loaded."""


class Quarantined(StatusModel):
    """A version that failed. It is not tried again until the spec changes or the version is promoted again."""

    version: Count | None = None
    """Number of the version."""
    digest: Fingerprint | None = None
    """Digest of the model's files. Of a model named by its uri: digest of its manifest."""
    reason: Reason | None = None
    """Reason, one CamelCase word."""
    message: Message | None = None
    """Message for people."""
    at: Time | None = None
    """Time of the failure."""


class ModelDeploymentHistoryEntry(StatusModel):
    """Result of the rollout of a version."""

    version: Count | None = None
    """Number of the version."""
    digest: Fingerprint | None = None
    """Digest of the model's files. Of a model named by its uri: digest of its manifest."""
    result: Short | None = None
    """Live, Replaced or Failed."""
    reason: Reason | None = None
    """Reason, one CamelCase word."""
    message: Message | None = None
    """Message for people."""
    at: Time | None = None
    """Time of the event."""


class Traffic(StatusModel):
    """Traffic of the last closed window, all pods together."""

    window: Value | None = None
    """Length of the window."""
    at: Time | None = None
    """Time at which the window closed."""
    requests: Count | None = None
    """Number of requests answered."""
    rows: Count | None = None
    """Number of rows answered."""
    requests_per_second: Value | None = None
    """Requests a second, as a decimal string."""
    latency_p50: Annotated[Value | None, Field(alias="latencyP50")] = None
    """Median latency."""
    latency_p95: Annotated[Value | None, Field(alias="latencyP95")] = None
    """95th percentile of the latency."""
    error_rate: Value | None = None
    """Share of requests that failed, as a decimal string."""


class DriftedFeature(StatusModel):
    """Distance of the live values of one feature from the training data."""

    name: Annotated[str, Field(max_length=256)]
    """Name of the feature."""
    score: Value | None = None
    """Population stability index, as a decimal string."""
    state: Short | None = None
    """Drifted, Stable or Inconclusive."""


class Drift(StatusModel):
    """Distance of live data from the training data."""

    window: Value | None = None
    """Length of the window."""
    at: Time | None = None
    """Time at which the window closed."""
    state: Short | None = None
    """Drifted, Stable or Inconclusive."""
    worst_feature: Annotated[str, Field(max_length=256)] | None = None
    """The feature with the greatest score."""
    score: Value | None = None
    """Its population stability index, as a decimal string."""
    threshold: Value | None = None
    """The score from which a feature counts as drifted."""
    samples: Count | None = None
    """Number of rows behind the verdict."""
    consecutive_windows: Count | None = None
    """Number of drifted windows in a row."""
    features: Annotated[tuple[DriftedFeature, ...], Field(max_length=20), ListMap()] | None = None
    """The twenty features with the greatest scores, worst first."""


class LastFailure(StatusModel):
    """The latest failure. It stays after it is cured."""

    location: Annotated[str, Field(max_length=256)] | None = None
    """Place of the failure: Pod, Model, Import or Deployment."""
    reason: Reason | None = None
    """Reason, such as ImagePullFailed, Crashed or TamperedModel."""
    message: Message | None = None
    """Message for people."""
    pod: PodName | None = None
    """Name of the pod, if the failure was in a pod."""
    exit_code: int | None = None
    """Exit code of the container."""
    at: Time | None = None
    """Time of the event."""


class ModelDeploymentStatus(StatusModel):
    """The observed state. Only the operator writes it."""

    observed_generation: Count | None = None
    """Generation of the spec that this status is about."""
    conditions: Conditions | None = None
    """Ready (predictions are answered), Available, Reconciling, Stalled, Observed, DataDrift and RolledBack."""
    summary: ModelDeploymentSummary | None = None
    """Texts of the columns of `kubectl get`."""
    replicas: Count | None = None
    """Number of pods."""
    ready_replicas: Count | None = None
    """Number of pods that answer predictions."""
    selector: Annotated[str, Field(max_length=512)] | None = None
    """Label selector of the pods, for the scale subresource."""
    url: Uri | None = None
    """Address for predictions inside the cluster."""
    server_image: Annotated[str, Field(max_length=512)] | None = None
    """Image of the pods."""
    live: Live | None = None
    """The version that answers."""
    candidate: Candidate | None = None
    """The version that is being rolled out."""
    retired: Retired | None = None
    """The version that answered before."""
    routes: Routes | None = None
    """The versions that servers load, and the one that answers."""
    quarantined: Annotated[tuple[Quarantined, ...], Field(max_length=10), ListAtomic()] | None = None
    """Versions that failed."""
    traffic: Traffic | None = None
    """Traffic of the last closed window."""
    drift: Drift | None = None
    """Distance of live data from the training data."""
    performance: Performance | None = None
    """Quality of predictions by labels."""
    imported: Imported | None = None
    """The import of a SavedModel that has no manifest."""
    last_failure: LastFailure | None = None
    """The latest failure."""
    history: Annotated[tuple[ModelDeploymentHistoryEntry, ...], Field(max_length=10), ListAtomic()] | None = None
    """Results of the last ten rollouts, newest last."""
