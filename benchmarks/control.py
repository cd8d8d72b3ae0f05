"""What the operator costs: writes, processor time and memory, at rest, for one resource and for a hundred."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.cluster import Api, OperatorFigures, is_true, manifest, namespace, wait
from benchmarks.report import emit
from tests.support import Namespace

IDLE_SECONDS = int(os.environ.get("ROPEWALK_BENCH_IDLE_SECONDS", "600"))
CHILDREN = {
    "deployments": "/apis/apps/v1",
    "services": "/api/v1",
    "serviceaccounts": "/api/v1",
    "poddisruptionbudgets": "/apis/policy/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
}
AUDIT_LOG = Path("/var/lib/ropewalk-cluster/logs/audit.log")


def audited_writes(since: float) -> int | None:
    """Writes by the operator's account that the API server's own audit log shows; None where there is none."""
    if not AUDIT_LOG.exists():
        return None
    count = 0
    with AUDIT_LOG.open() as file:
        for line in file:
            event = json.loads(line)
            user = event.get("user", {}).get("username", "")
            resource = event.get("objectRef", {}).get("resource")
            if not user.endswith(":ropewalk-operator") or resource == "leases":
                continue
            if event.get("verb") not in ("create", "update", "patch", "delete"):
                continue
            stamp = time.strptime(event["requestReceivedTimestamp"][:19] + "UTC", "%Y-%m-%dT%H:%M:%S%Z")
            count += calendar_seconds(stamp) >= since
    return count


def calendar_seconds(stamp: time.struct_time) -> float:
    """Seconds since the epoch of a time in UTC."""
    return time.mktime(stamp) - time.timezone


def creation(api: Api, figures: OperatorFigures, space: Namespace) -> None:
    """Writes from a ModelDeployment's creation to Ready, its Pipeline's champion being there already."""
    space.apply(manifest("tabular", "pipeline.yaml", triggers={}))
    wait(lambda: api.resource(space, "pipelines", "cancer").get("status", {}).get("champion"))
    time.sleep(3)
    before = figures.writes()
    space.apply(manifest("tabular", "modeldeployment.yaml"))
    wait(lambda: is_true(api.resource(space, "modeldeployments", "cancer"), "Ready"))
    time.sleep(3)
    emit(
        "operator",
        "writes from creation to Ready",
        figures.writes() - before,
        "writes",
        12,
        "KServe: 10, without a pod",
    )


def idle(figures: OperatorFigures) -> None:
    """Writes and processor time with a Ready deployment and nothing to do."""
    time.sleep(90)
    before, started = figures.read(), time.time()
    writes = figures.writes()
    time.sleep(IDLE_SECONDS)
    after = figures.read()
    emit("operator", f"writes in {IDLE_SECONDS} s of idling", figures.writes() - writes, "writes", 0)
    audited = audited_writes(started)
    if audited is not None:
        emit("operator", f"writes in {IDLE_SECONDS} s of idling, by the audit log", audited, "writes", 0)
    name = "process_cpu_seconds_total"
    emit("operator", "processor time of idling", (after[name] - before[name]) * 60 / IDLE_SECONDS, "s/min", 0.5)
    emit("operator", "resident memory", after["process_resident_memory_bytes"] / 2**20, "MiB", 150)


def hundred(api: Api, figures: OperatorFigures, space: Namespace) -> None:
    """A hundred ModelDeployments whose pods no node takes: until all have all their children."""

    def one(number: int) -> dict[str, Any]:
        model = {"uri": "pvc://models/none", "digest": "sha256:" + "0" * 64}
        found = manifest("tabular", "modeldeployment.yaml", model=model, serving={"nodeSelector": {"bench": "nowhere"}})
        found["metadata"]["name"] = f"many-{number}"
        return found

    def complete() -> bool:
        selector = "?labelSelector=app.kubernetes.io/managed-by%3Dropewalk"
        return all(
            len(api.json(f"{root}/namespaces/{space.name}/{plural}{selector}")["items"]) >= 100
            for plural, root in CHILDREN.items()
        )

    before, started = figures.read(), time.monotonic()
    space.apply(*(one(number) for number in range(100)))
    wait(complete, 120, 0.25)
    emit("operator", "100 ModelDeployments to all children", time.monotonic() - started, "s", 10, "KServe: 26 s")
    time.sleep(10)
    name = "process_cpu_seconds_total"
    used = figures.read()[name] - before[name]
    emit("operator", "processor time for 100 ModelDeployments", used, "s", 8, "KServe: 4.0 s")


def main(api: Api) -> None:
    """Print the figures of the operator."""
    figures = OperatorFigures(api)
    with namespace() as space:
        creation(api, figures, space)
        idle(figures)
    with namespace() as space:
        hundred(api, figures, space)
