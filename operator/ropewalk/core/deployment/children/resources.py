"""Compute resources of a server's container: the defaults under the values of the spec."""

from __future__ import annotations

from ropewalk.core.plan import Json

from .comparison import amount

DEFAULT_RESOURCES: Json = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}
TENSORFLOW_MEMORY = "1Gi"
"""Limit of a server with TensorFlow, which is there twice while a version is loaded (230 MiB each)."""


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


def _less(one: object, two: object) -> bool:
    first, second = amount(one), amount(two)
    return first is not None and second is not None and first < second
