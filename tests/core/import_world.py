"""A ModelDeployment of a SavedModel without a manifest, and the Job that imports it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from tests.core.deployment_world import World

URI, DIGEST = "pvc://models/imported/3", "sha256:" + "a" * 64


PATH = "/ropewalk/claims/models/imported/3"


COPY = f"pvc://models/.ropewalk/imported/{'a' * 64}/3"


MADE = {
    "v": 1, "outcome": "Succeeded", "errand": "Import", "reason": "Imported", "message": "it runs on LiteRT",
    "uri": COPY, "digest": "sha256:" + "b" * 64, "manifestDigest": "sha256:" + "c" * 64, "engines": ["LiteRT"],
}  # fmt: skip


REFUSED = {
    "v": 1, "outcome": "Failed", "errand": "Import", "reason": "ForbiddenOp",
    "message": "the operation ReadFile is none that is known to compute only",
}  # fmt: skip


def world(**more: Any) -> World:
    """Servers that find a SavedModel without a manifest where they are told to look."""
    found = World(model={"uri": URI, "digest": DIGEST}, **more)
    found.on_new_server = lambda server: server.faults.update({PATH: "NotImported"})
    return found


def jobs(found: World) -> list[dict[str, Any]]:
    """The Jobs that there are."""
    return [one for (kind, _), one in found.objects.items() if kind == "Job"]


def until_job(found: World) -> dict[str, Any]:
    """Passes until there is a Job, and no more than that."""
    for _ in range(40):
        found.step()
        found.now += timedelta(seconds=0.5)
        if jobs(found):
            return jobs(found)[-1]
    raise AssertionError(found.status)


def pod_of(job: dict[str, Any], state: dict[str, Any], phase: str = "Running") -> dict[str, Any]:
    """The Job's pod in that state."""
    name = job["metadata"]["name"]
    labels = {**job["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
    reference = {"kind": "Job", "name": name, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{name}-x", "uid": "u", "labels": labels, "ownerReferences": [reference]},
        "status": {"phase": phase, "containerStatuses": [{"name": "errand", "state": state}]},
    }


def end(found: World, said: dict[str, Any] | str, code: int, reason: str = "") -> None:
    """The newest Job's pod ends."""
    message = said if isinstance(said, str) else json.dumps(said)
    state = {"terminated": {"exitCode": code, "message": message, "reason": reason}}
    body = pod_of(jobs(found)[-1], state, "Succeeded" if code == 0 else "Failed")
    found.objects["Pod", body["metadata"]["name"]] = body
