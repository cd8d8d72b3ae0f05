"""Reading of a ModelDeployment's spec (the pydantic model of the API) and the values that follow from its fields.

Admission rules that are CEL in the CRD are checked here again: a spec that an older or newer definition let through
stalls the resource with the name of the field.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from ropewalk_contract.api.modeldeployment import ModelDeployment, Monitor
from ropewalk_contract.api.serving import Limits, Serving
from ropewalk_contract.documents.fields import Refused
from ropewalk_contract.documents.routes import Batching, RequestLimits

from ..names import MODEL_DEPLOYMENT_LABEL, helper_job_value, label_value
from ..plan import Json
from ..quantities import duration, memory_bytes

_DURATION = "is not a duration such as 30s, 5m or 24h"
_HINTS = {
    "window": _DURATION,
    "deadline": _DURATION,
    "maxDelay": "is not a duration such as 2ms",
    "maxBodyBytes": "is not a size such as 4Mi",
    "threshold": "is not a number",
}


class InvalidSpec(ValueError):
    """A spec that passed admission and still cannot be honoured; the message names the field and the reason."""


def read(owner: Json) -> ModelDeployment:
    """The resource without its status. Raises InvalidSpec where a value cannot be used."""
    try:
        resource = ModelDeployment.model_validate(
            {"metadata": owner.get("metadata") or {}, "spec": owner.get("spec") or {}}
        )
    except ValidationError as error:
        raise InvalidSpec(_message(error)) from error
    _check(resource)
    return resource


def labels(resource: ModelDeployment) -> dict[str, str]:
    """Labels of all children; they select the server pods, and no other pods."""
    return {MODEL_DEPLOYMENT_LABEL: label_value(resource.metadata.name)}


def helper_job_labels(resource: ModelDeployment) -> dict[str, str]:
    """Labels that select the pods of its imports."""
    return {MODEL_DEPLOYMENT_LABEL: helper_job_value(resource.metadata.name)}


def window_seconds(monitor: Monitor) -> int:
    """Length of a traffic window in seconds, at least 60."""
    return max(60, _seconds("spec.monitor.window", monitor.window))


def bucket_seconds(monitor: Monitor) -> int:
    """Length of the buckets that pods count in, in seconds: short windows get short buckets."""
    return _bucket(window_seconds(monitor))


def label_window_seconds(monitor: Monitor) -> int:
    """Time in seconds for which labels count."""
    return _seconds("spec.monitor.performance.window", monitor.performance.window)


def drift_threshold(monitor: Monitor) -> float:
    """The score from which a feature counts as drifted."""
    try:
        return float(monitor.drift.threshold)
    except ValueError as error:
        raise InvalidSpec(f"spec.monitor.drift.threshold: {monitor.drift.threshold!r} is not a number") from error


def deadline_seconds(limits: Limits) -> int:
    """Longest time of a request in whole seconds."""
    return _seconds("spec.serving.limits.deadline", limits.deadline)


def limits_document(limits: Limits) -> dict[str, int]:
    """The limits as routes tell them to servers: bytes, rows, seconds, requests."""
    return {
        "maxBodyBytes": _size("spec.serving.limits.maxBodyBytes", limits.max_body_bytes),
        "maxRows": limits.max_rows,
        "deadlineSeconds": deadline_seconds(limits),
        "maxConcurrency": limits.max_concurrency,
    }


def batching_document(serving: Serving) -> dict[str, Any]:
    """The batching as routes tell it to servers; empty for Auto."""
    batching = serving.batching
    if batching.type != "Bounded":
        return {} if batching.type == "Auto" else {"type": batching.type}
    delay = batching.max_delay or "0s"
    try:
        waits = duration(delay).total_seconds()
    except ValueError as error:
        raise InvalidSpec(f"spec.serving.batching.maxDelay: {delay!r} {_HINTS['maxDelay']}") from error
    return {"type": batching.type, "maxRows": batching.max_rows or 256, "maxDelaySeconds": waits}


def asked_resources(serving: Serving) -> Json:
    """Requests and limits as the author wrote them, without defaults."""
    return serving.resources.document() if serving.resources is not None else {}


def tolerations(serving: Serving) -> list[Json]:
    """The tolerations as the author wrote them."""
    return [one.model_dump(mode="json", by_alias=True, exclude_unset=True) for one in serving.tolerations]


def image_pull_secrets(resource: ModelDeployment) -> list[Json]:
    """References to the Secrets with which kubelet pulls the server image."""
    return [{"name": one.name} for one in resource.spec.image_pull_secrets]


def token_secret(serving: Serving) -> str | None:
    """The Secret of tokens; None unless callers are authenticated by it."""
    return serving.authentication.secret if serving.authentication.type == "Token" else None


def tls_secret(serving: Serving) -> str | None:
    """The Secret with the certificate; None without TLS."""
    return serving.tls.secret if serving.tls is not None else None


def feedback_secret(monitor: Monitor) -> str | None:
    """The Secret that signs prediction ids; None where predictions have none."""
    return monitor.feedback.secret if monitor.feedback is not None else None


def _check(resource: ModelDeployment) -> None:
    """Raise InvalidSpec for what the fields' types alone do not refuse."""
    spec = resource.spec
    if not spec.model.pipeline and not spec.model.uri:
        raise InvalidSpec("spec.model names neither a pipeline nor a uri")
    _check_limits(resource)
    scaling = spec.autoscaling
    if scaling is not None and scaling.min_replicas > scaling.max_replicas:
        raise InvalidSpec(
            f"spec.autoscaling: minReplicas {scaling.min_replicas} is above maxReplicas {scaling.max_replicas}"
        )
    _check_authentication(resource)


def _check_limits(resource: ModelDeployment) -> None:
    serving, monitor = resource.spec.serving, resource.spec.monitor
    try:
        RequestLimits.read(limits_document(serving.limits))
        Batching.read(batching_document(serving))
    except Refused as error:  # by the servers, which would stay with the routes that they have
        raise InvalidSpec(f"spec.serving: {error}") from error
    length = window_seconds(monitor)
    if length % _bucket(length):  # it would be judged before its last bucket has closed
        raise InvalidSpec(f"spec.monitor.window: {monitor.window} is no multiple of 10s, or from 10m on of 1m")
    drift_threshold(monitor)
    label_window_seconds(monitor)


def _check_authentication(resource: ModelDeployment) -> None:
    """Fail closed: authentication that cannot be done never means that every caller is let in."""
    asked, account = resource.spec.serving.authentication, resource.spec.service_account_name
    if (asked.type == "Token" and not asked.secret) or (asked.type == "Kubernetes" and not account):
        raise InvalidSpec(
            f"spec.serving.authentication: type {asked.type} with secret {asked.secret} and spec.serviceAccountName "
            f"{account} cannot be honoured"
        )


def _message(error: ValidationError) -> str:
    """The first wrong field, its value and the reason."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"{where}: it is required"
    last = str(first["loc"][-1]) if first["loc"] else ""
    return f"{where}: {first['input']!r} {_HINTS.get(last) or 'is refused: ' + first['msg']}"


def _seconds(field: str, value: str) -> int:
    try:
        return int(duration(value).total_seconds())
    except ValueError as error:
        raise InvalidSpec(f"{field}: {value!r} {_DURATION}") from error


def _size(field: str, value: str | int) -> int:
    try:
        return memory_bytes(str(value))
    except ValueError as error:
        raise InvalidSpec(f"{field}: {value!r} {_HINTS['maxBodyBytes']}") from error


def _bucket(window: int) -> int:
    return 60 if window >= 600 else 10
