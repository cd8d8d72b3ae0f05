"""An image that no registry has, and the time from kubelet's first report of it to a status that names it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.polling import eventually
from tests.support import Namespace, kubectl

MISSING = "localhost/nobody/nothing:1"


PULLS = ("ErrImagePull", "ImagePullBackOff")


SOON = 6.0
"""Seconds: 5, and the one by which times in the API are rounded down."""


def kubelets_word(namespace: Namespace, selector: str) -> datetime | None:
    """When kubelet last wrote the status of a pod whose image it cannot pull; None while there is none."""
    command = ["get", "pods", "-l", selector, "-o", "json", "--show-managed-fields"]
    for pod in json.loads(kubectl("-n", namespace.name, *command).stdout)["items"]:
        status = pod.get("status", {})
        containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
        if any(one.get("state", {}).get("waiting", {}).get("reason") in PULLS for one in containers):
            fields = pod["metadata"]["managedFields"]
            return datetime.fromisoformat(next(f["time"] for f in fields if f["manager"] == "kubelet"))
    return None


def told_after(namespace: Namespace, kind: str, name: str) -> float:
    """Seconds from kubelet's first word about MISSING to a status of ours that names it."""
    words: list[datetime] = []

    def look() -> dict[str, Any]:
        word = kubelets_word(namespace, f"ropewalk.dev/{kind}={name}")
        if word is not None:
            words.append(word)
        summary: dict[str, Any] = namespace.get(kind, name).get("status", {}).get("summary", {})
        return {**summary, "kubelet": words[:1]}

    seen = eventually(look, until=lambda s: bool(s["kubelet"]) and MISSING in s.get("message", ""), seconds=60)
    assert "pull" in seen["message"].lower()
    return (datetime.now(UTC) - words[0]).total_seconds()
