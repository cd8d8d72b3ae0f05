"""ModelDeployment.status: what is served, how well, and what was seen in the traffic. The operator alone writes it."""

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
    """What the columns of `kubectl get modeldeployments` show, in words."""

    ready: Short | None = None
    """Whether predictions are answered, and by how many pods of how many."""
    live: Short | None = None
    """Version that answers."""
    candidate: Short | None = None
    """Version on its way, and how far."""
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
    """Accuracy (or error) by the labels that came in."""
    message: Message | None = None
    """What is wrong and what helps."""


class ServedVersion(StatusModel):
    """A version of a model: its number, where it lies, what proves that it is the one meant."""

    version: Count | None = None
    """Its number."""
    uri: Uri | None = None
    """Where it lies."""
    digest: Fingerprint | None = None
    """Digest of the model's files."""
    manifest_digest: Fingerprint | None = None
    """Digest of the manifest that lists every file with its own."""
    served_as: Count | None = None
    """The number that servers know it by, where another model had its own number when it came."""


class Live(ServedVersion):
    """The version that answers, proved by the pods."""

    engine: Short | None = None
    """The engine that computes."""
    since: Time | None = None
    """When the last pod switched to it."""
    weight: Count | None = None
    """Share of requests that it answers, in percent."""


class Performance(StatusModel):
    """How good predictions were, by the true labels that came in for the version that made them."""

    window: Value | None = None
    """Length of the window."""
    at: Time | None = None
    """When the window closed."""
    version: Count | None = None
    """The version that made them."""
    labels: Count | None = None
    """Labels that this rests on; one that was sent to two pods counts twice."""
    metrics: Metrics | None = None
    """The numbers, as decimal strings."""


class Candidate(ServedVersion):
    """The version on its way."""

    step: Short | None = None
    """Pending (no pod to try it on), Loading (in the pilot pod), Spreading (in all pods) or Switching."""
    since: Time | None = None
    """When the step began."""
    message: Message | None = None
    """What it waits for."""
    performance: Performance | None = None
    """How good its predictions are, by labels that came in."""


class Retired(ServedVersion):
    """The version that answered before. Its counts are kept, since labels for its predictions may still come."""

    since: Time | None = None
    """When it became live."""
    until: Time | None = None
    """When another version took its place."""
    performance: Performance | None = None
    """How good its predictions were, by labels that came in."""


class Imported(StatusModel):
    """The import of the SavedModel at spec.model.uri, which has no manifest of Ropewalk's."""

    id: Count | None = None
    """Grows with every try."""
    uri: Uri | None = None
    """Where the SavedModel lies. It stays as it is."""
    digest: Fingerprint | None = None
    """Digest of its files, the one in spec.model.digest."""
    state: Short | None = None
    """Running, Succeeded or Failed."""
    reason: Reason | None = None
    """One word why it failed, for instance ForbiddenOp, NoSignature, UnsupportedSignature or DigestMismatch."""
    message: Message | None = None
    """The same for people; of one that succeeded, what it runs on."""
    waiting: Reason | None = None
    """One word why its pod does not run although it should."""
    final: bool | None = None
    """Whether it is not tried again until the spec changes."""
    started_at: Time | None = None
    """When it began."""
    finished_at: Time | None = None
    """When it ended."""
    version: ServedVersion | None = None
    """The version that was made of it, a copy in the same claim, which is what servers load."""
    engines: Annotated[tuple[Short, ...], Field(max_length=5), ListAtomic()] | None = None
    """Engines that it was proved on."""


class Routes(StatusModel):
    """What the servers are told to load and to answer with."""

    revision: Count | None = None
    """Grows with every change."""
    live: Count | None = None
    """Version that answers requests that name none."""
    pilot: PodName | None = None
    """The one pod that tries a new version first."""
    retry: Count | None = None
    """Grows when what failed is to be tried again: after an edit of the spec or another promotion."""
    at: Time | None = None
    """When this revision was decided on."""
    versions: Annotated[tuple[ServedVersion, ...], Field(max_length=8), ListAtomic()] | None = None
    """Versions to keep loaded."""


class Quarantined(StatusModel):
    """A version that failed, and is not tried again until the spec changes or it is promoted again."""

    version: Count | None = None
    """Its number."""
    digest: Fingerprint | None = None
    """Digest of the model's files, of a model named by its uri that of its manifest."""
    reason: Reason | None = None
    """One word why."""
    message: Message | None = None
    """The same for people."""
    at: Time | None = None
    """When it failed."""


class ModelDeploymentHistoryEntry(StatusModel):
    """What became of a version."""

    version: Count | None = None
    """Its number."""
    digest: Fingerprint | None = None
    """Digest of the model's files, of a model named by its uri that of its manifest."""
    result: Short | None = None
    """Live, Replaced or Failed."""
    reason: Reason | None = None
    """One word why."""
    message: Message | None = None
    """The same for people."""
    at: Time | None = None
    """When it happened."""


class Traffic(StatusModel):
    """What the last closed window saw, all pods together."""

    window: Value | None = None
    """Length of the window."""
    at: Time | None = None
    """When the window closed."""
    requests: Count | None = None
    """Requests answered."""
    rows: Count | None = None
    """Rows answered."""
    requests_per_second: Value | None = None
    """Requests a second, as a decimal string."""
    latency_p50: Annotated[Value | None, Field(alias="latencyP50")] = None
    """Median latency."""
    latency_p95: Annotated[Value | None, Field(alias="latencyP95")] = None
    """95th percentile of the latency."""
    error_rate: Value | None = None
    """Share of requests that failed, as a decimal string."""


class DriftedFeature(StatusModel):
    """How far one feature's live values are from those of training."""

    name: Annotated[str, Field(max_length=256)]
    """The feature's name."""
    score: Value | None = None
    """Population stability index, as a decimal string."""
    state: Short | None = None
    """Drifted, Stable or Inconclusive."""


class Drift(StatusModel):
    """How far live data are from those of training."""

    window: Value | None = None
    """Length of the window."""
    at: Time | None = None
    """When the window closed."""
    state: Short | None = None
    """Drifted, Stable or Inconclusive."""
    worst_feature: Annotated[str, Field(max_length=256)] | None = None
    """The feature with the greatest score."""
    score: Value | None = None
    """Its population stability index, as a decimal string."""
    threshold: Value | None = None
    """The score from which a feature counts as drifted."""
    samples: Count | None = None
    """Rows that this rests on."""
    consecutive_windows: Count | None = None
    """Windows in a row that were drifted."""
    features: Annotated[tuple[DriftedFeature, ...], Field(max_length=20), ListMap()] | None = None
    """The twenty features with the greatest scores, worst first."""


class LastFailure(StatusModel):
    """The latest thing that went wrong; it stays after it is cured."""

    location: Annotated[str, Field(max_length=256)] | None = None
    """Where: Pod, Model, Routes, Deployment."""
    reason: Reason | None = None
    """One word why, for instance ImagePullFailed, Crashed or TamperedModel."""
    message: Message | None = None
    """The same for people."""
    pod: PodName | None = None
    """The pod, if it was in one."""
    exit_code: int | None = None
    """What the container ended with."""
    at: Time | None = None
    """When it happened."""


class ModelDeploymentStatus(StatusModel):
    """What Ropewalk has seen and done. It is written by the operator alone."""

    observed_generation: Count | None = None
    """The generation of the spec that this status is about."""
    conditions: Conditions | None = None
    """Ready (predictions are answered), Available, Reconciling, Stalled, Observed, DataDrift and RolledBack."""
    summary: ModelDeploymentSummary | None = None
    """What the columns of `kubectl get` show."""
    replicas: Count | None = None
    """Pods there are."""
    ready_replicas: Count | None = None
    """Pods that answer predictions."""
    selector: Annotated[str, Field(max_length=512)] | None = None
    """Label selector of the pods, for the scale subresource."""
    url: Uri | None = None
    """Where predictions are answered, inside the cluster."""
    server_image: Annotated[str, Field(max_length=512)] | None = None
    """The image that the pods run."""
    live: Live | None = None
    """The version that answers."""
    candidate: Candidate | None = None
    """The version on its way."""
    retired: Retired | None = None
    """The version that answered before."""
    routes: Routes | None = None
    """What the servers are told."""
    quarantined: Annotated[tuple[Quarantined, ...], Field(max_length=10), ListAtomic()] | None = None
    """Versions that failed."""
    traffic: Traffic | None = None
    """What the last closed window saw."""
    drift: Drift | None = None
    """How far live data are from those of training."""
    performance: Performance | None = None
    """How good predictions were."""
    imported: Imported | None = None
    """The import of a SavedModel that has no manifest."""
    last_failure: LastFailure | None = None
    """The latest thing that went wrong."""
    history: Annotated[tuple[ModelDeploymentHistoryEntry, ...], Field(max_length=10), ListAtomic()] | None = None
    """What became of the last ten versions, newest last."""
