"""What Prometheus reads of the operator and of what it watches over (`:8080/metrics`)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from ..core.plan import Json

LEADING = Gauge("ropewalk_leading", "1 where this operator holds the Lease.")
RECONCILES = Histogram(
    "ropewalk_reconcile_seconds",
    "Time of one pass over one resource.",
    ["kind", "result"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
QUEUE_DEPTH = Gauge("ropewalk_queue_depth", "Resources due that wait for others' passes to end.")
WRITES = Counter("ropewalk_writes_total", "Writes to the API server, the Lease excepted.", ["verb", "kind"])
SCRAPE_ERRORS = Counter("ropewalk_scrape_errors_total", "Pods that did not answer the operator.", ["path"])

_OF_RESOURCE = ["namespace", "name"]
READY = Gauge(
    "ropewalk_ready",
    "1 where the condition Ready is True, 0 where not, NaN where unknown.",
    ["kind", *_OF_RESOURCE],
)
DRIFTED = Gauge("ropewalk_data_drift", "1 where the condition DataDrift is True.", _OF_RESOURCE)
QUALITY = Gauge("ropewalk_model_quality", "Windowed metric over labelled feedback.", [*_OF_RESOURCE, "metric"])


def observe_status(kind: str, namespace: str, name: str, status: Json) -> None:
    """Show the conditions and, for a ModelDeployment, the quality that its status states."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Ready":
            READY.labels(kind, namespace, name).set(_truth(condition))
        elif condition.get("type") == "DataDrift":
            DRIFTED.labels(namespace, name).set(_truth(condition))
    if kind == "ModelDeployment":
        listed = (status.get("performance") or {}).get("metrics") or ()
        quality = {one.get("name"): one.get("value") for one in listed}
        for metric in ("accuracy", "precision", "recall"):
            try:
                QUALITY.labels(namespace, name, metric).set(float(str(quality[metric])))
            except (KeyError, ValueError):
                _drop(QUALITY, namespace, name, metric)


def forget(kind: str, namespace: str, name: str) -> None:
    """A deleted resource leaves no series behind."""
    _drop(READY, kind, namespace, name)
    if kind == "ModelDeployment":
        _drop(DRIFTED, namespace, name)
        for metric in ("accuracy", "precision", "recall"):
            _drop(QUALITY, namespace, name, metric)


def _truth(condition: Json) -> float:
    return {"True": 1.0, "False": 0.0}.get(str(condition.get("status")), float("nan"))


def _drop(gauge: Gauge, *labels: str) -> None:
    try:
        gauge.remove(*labels)
    except KeyError:
        pass
