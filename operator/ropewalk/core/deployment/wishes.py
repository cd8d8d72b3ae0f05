"""What the user asked for: the one file of this folder that knows the fields of `ModelDeployment.spec`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..names import MODEL_DEPLOYMENT_LABEL, helper_job_value, label_value
from ..plan import Json
from ..quantities import duration, memory_bytes
from .children.field_drift import amount
from .versions import get


class InvalidSpec(ValueError):
    """A spec that passed admission and still cannot be honoured; the message says which field and why."""


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """Bounds of the HorizontalPodAutoscaler and the CPU share that it aims at."""

    min_replicas: int
    max_replicas: int
    target_cpu_percent: int


@dataclass(frozen=True, slots=True)
class Authentication:
    """Who may ask: everybody (None), who has a token of the Secret (Token), whom the API server lets (Kubernetes)."""

    type: str = "None"
    secret: str | None = None
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class Monitoring:
    """When a window of traffic says something: sizes in seconds, gates in rows, requests and labels."""

    window: int = 86400
    min_samples: int = 1000
    min_requests: int = 100
    threshold: float = 0.2
    consecutive_windows: int = 2
    features: tuple[str, ...] = ()
    performance_window: int = 7 * 86400
    min_labels: int = 200

    @property
    def bucket_seconds(self) -> int:
        """Short windows get short buckets, so that their numbers are not a whole window old."""
        return _bucket(self.window)


@dataclass(frozen=True, slots=True)
class Wishes:
    """A ModelDeployment's identity and spec, defaults filled in."""

    name: str
    namespace: str
    uid: str
    generation: int
    pipeline: str | None
    pinned: int | None
    uri: str | None
    digest: str | None
    replicas: int
    autoscaling: Autoscaling | None
    engine: str
    batching: Json
    """Empty for Auto."""
    limits: Json
    resources: Json
    """As asked for, without defaults."""
    node_selector: Json
    tolerations: tuple[Json, ...]
    image_pull_secrets: tuple[Json, ...]
    service_account: str | None
    authentication: Authentication = field(default_factory=Authentication)
    tls_secret: str | None = None
    feedback_secret: str | None = None
    monitoring: Monitoring = field(default_factory=Monitoring)

    @property
    def labels(self) -> dict[str, str]:
        """By these its servers' pods, and only they, are selected."""
        return {MODEL_DEPLOYMENT_LABEL: label_value(self.name)}

    @property
    def helper_job_labels(self) -> dict[str, str]:
        """By these the pods of its imports are."""
        return {MODEL_DEPLOYMENT_LABEL: helper_job_value(self.name)}


DEFAULT_RESOURCES: Json = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}
TENSORFLOW_MEMORY = "1Gi"
"""Limit of a server with TensorFlow, which is there twice while a version is loaded (230 MiB each)."""
_LIMITS = {"maxBodyBytes": "4Mi", "maxRows": 10000, "deadline": "30s", "maxConcurrency": 256}


def read(owner: Json) -> Wishes:
    """Parse an owner; InvalidSpec where a value cannot be used."""
    meta, spec = owner.get("metadata") or {}, owner.get("spec") or {}
    model, serving = spec.get("model") or {}, spec.get("serving") or {}
    monitor = spec.get("monitor") or {}
    drift, performance = monitor.get("drift") or {}, monitor.get("performance") or {}
    scaling = spec.get("autoscaling")
    if not model.get("pipeline") and not model.get("uri"):
        raise InvalidSpec("spec.model names neither a pipeline nor a uri")
    limits = {**_LIMITS, **{k: v for k, v in (serving.get("limits") or {}).items() if v is not None}}
    return Wishes(
        name=str(meta.get("name")),
        namespace=str(meta.get("namespace")),
        uid=str(meta.get("uid")),
        generation=int(meta.get("generation") or 1),
        pipeline=model.get("pipeline"),
        pinned=model.get("version"),
        uri=model.get("uri"),
        digest=model.get("digest"),
        replicas=1 if spec.get("replicas") is None else int(spec["replicas"]),
        autoscaling=_autoscaling(scaling) if scaling else None,
        engine=str(serving.get("engine") or "Auto"),
        batching=_batching(serving.get("batching") or {}),
        limits={
            "maxBodyBytes": size("spec.serving.limits.maxBodyBytes", limits["maxBodyBytes"]),
            "maxRows": int(limits["maxRows"]),
            "deadlineSeconds": seconds("spec.serving.limits.deadline", limits["deadline"]),
            "maxConcurrency": int(limits["maxConcurrency"]),
        },
        resources=serving.get("resources") or {},
        node_selector=serving.get("nodeSelector") or {},
        tolerations=tuple(serving.get("tolerations") or ()),
        image_pull_secrets=tuple(_secret(one) for one in spec.get("imagePullSecrets") or ()),
        service_account=spec.get("serviceAccountName"),
        authentication=_authentication(serving.get("authentication") or {}, spec.get("serviceAccountName")),
        tls_secret=get(serving, "tls", "secret"),
        feedback_secret=get(monitor, "feedback", "secret"),
        monitoring=Monitoring(
            window=_window(monitor.get("window") or "24h"),
            min_samples=_number(monitor.get("minSamples"), 1000),
            min_requests=_number(monitor.get("minRequests"), 100),
            threshold=_decimal("spec.monitor.drift.threshold", drift.get("threshold") or "0.2"),
            consecutive_windows=max(1, _number(drift.get("consecutiveWindows"), 2)),
            features=tuple(drift.get("features") or ()),
            performance_window=seconds("spec.monitor.performance.window", performance.get("window") or "7d"),
            min_labels=_number(performance.get("minLabels"), 200),
        ),
    )


def resources_of(asked: Json, *, tensorflow: bool = False) -> Json:
    """The defaults under what was asked for: a request above the default limit raises the limit with it."""
    requests = {**DEFAULT_RESOURCES["requests"], **(asked.get("requests") or {})}
    limits = dict(asked.get("limits") or {})
    if "memory" not in limits:
        stated = (asked.get("requests") or {}).get("memory")
        limits["memory"] = stated or (TENSORFLOW_MEMORY if tensorflow else DEFAULT_RESOURCES["limits"]["memory"])
    for name, value in limits.items():
        if name in requests and name not in (asked.get("requests") or {}):
            requests[name] = value if _less(value, requests[name]) else requests[name]
    return {"requests": requests, "limits": limits}


def _batching(asked: Json) -> Json:
    kind = str(asked.get("type") or "Auto")
    if kind != "Bounded":
        return {} if kind == "Auto" else {"type": kind}
    delay = str(asked.get("maxDelay") or "0s")
    try:
        waits = duration(delay).total_seconds()
    except ValueError as error:
        raise InvalidSpec(f"spec.serving.batching.maxDelay: {delay!r} is not a duration such as 2ms") from error
    return {"type": kind, "maxRows": _number(asked.get("maxRows"), 256), "maxDelaySeconds": waits}


def seconds(field_name: str, value: object) -> int:
    """`"30s"`, `"5m"`, `"24h"`, `"7d"` or `"1h30m"` as whole seconds."""
    try:
        return int(duration(str(value)).total_seconds())
    except ValueError as error:
        raise InvalidSpec(f"{field_name}: {value!r} is not a duration such as 30s, 5m or 24h") from error


def _window(value: object) -> int:
    """A window in whole buckets: one that ends within a bucket would be judged before that bucket has closed."""
    length = max(60, seconds("spec.monitor.window", value))
    if length % _bucket(length):
        raise InvalidSpec(f"spec.monitor.window: {value} is no multiple of 10s, or from 10m on of 1m")
    return length


def _bucket(window: int) -> int:
    return 60 if window >= 600 else 10


def size(field_name: str, value: object) -> int:
    """`4194304` or `"4Mi"` as bytes."""
    try:
        return memory_bytes(str(value))
    except ValueError as error:
        raise InvalidSpec(f"{field_name}: {value!r} is not a size such as 4Mi") from error


def _less(one: object, two: object) -> bool:
    first, second = amount(one), amount(two)
    return first is not None and second is not None and first < second


def _autoscaling(document: Any) -> Autoscaling:
    low, high = _number(document.get("minReplicas"), 1), _number(document.get("maxReplicas"), 1)
    if low > high:
        raise InvalidSpec(f"spec.autoscaling: minReplicas {low} is above maxReplicas {high}")
    return Autoscaling(low, high, _number(document.get("targetCPUPercent"), 70))


def _authentication(document: Json, service_account: object) -> Authentication:
    """Fails closed: a type that this operator does not know never means that everybody may ask."""
    kind, secret, audience = document.get("type") or "None", document.get("secret"), document.get("audience")
    missing = (kind == "Token" and not secret) or (kind == "Kubernetes" and not service_account)
    if kind not in ("None", "Token", "Kubernetes") or missing:
        raise InvalidSpec(
            f"spec.serving.authentication: type {kind} with secret {secret} and spec.serviceAccountName "
            f"{service_account} cannot be honoured"
        )
    return Authentication(kind, secret if kind == "Token" else None, audience if kind == "Kubernetes" else None)


def _secret(one: object) -> Json:
    return {"name": one if isinstance(one, str) else str(get(one, "name"))}


def _number(value: object, default: int) -> int:
    return default if value is None else int(str(value))


def _decimal(field_name: str, value: object) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        raise InvalidSpec(f"{field_name}: {value!r} is not a number") from error
