"""What the operator costs: writes, processor time and memory, at rest, for one resource and for a hundred."""

from __future__ import annotations

import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.cluster import Api, OperatorFigures, is_true, manifest, namespace, wait
from benchmarks.report import emit
from tests.support import Namespace, kubectl

RUNS = 5
CPU = "process_cpu_seconds_total"
SETTLE_SECONDS = 3
"""After this the operator has written what belongs to the change before."""
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
    """Writes from a ModelDeployment's creation to Ready, its Pipeline's champion being there; the last one stays."""
    space.apply(manifest("tabular", "pipeline.yaml", triggers={}))
    wait(lambda: api.resource(space, "pipelines", "cancer").get("status", {}).get("champion"))
    writes = []
    for number in range(RUNS):
        served = manifest("tabular", "modeldeployment.yaml")
        served["metadata"]["name"] = name = f"cancer-{number}"
        time.sleep(SETTLE_SECONDS)
        before = figures.writes()
        space.apply(served)
        wait(lambda name=name: is_true(api.resource(space, "modeldeployments", name), "Ready"))
        time.sleep(SETTLE_SECONDS)
        writes.append(figures.writes() - before)
        if number < RUNS - 1:
            kubectl("-n", space.name, "delete", "modeldeployment", name)
            selector = f"ropewalk.dev/modeldeployment={name}"
            wait(lambda selector=selector: not api.pods(space, selector))
    emit("operator", "writes from creation to Ready", writes, "writes", 12, "KServe: 10, without a pod")


def idle(figures: OperatorFigures) -> None:
    """Writes, processor time and memory with a Ready deployment and nothing to do: one run, cut into five parts."""
    time.sleep(90)
    started, writes, readings = time.time(), figures.writes(), [figures.read()]
    for _ in range(RUNS):
        time.sleep(IDLE_SECONDS / RUNS)
        readings.append(figures.read())
    one = f"in {IDLE_SECONDS} s of idling, one run"
    emit("operator", f"writes {one}", figures.writes() - writes, "writes", 0)
    audited = audited_writes(started)
    if audited is not None:
        emit("operator", f"writes {one}, by the audit log", audited, "writes", 0)
    used = [after[CPU] - before[CPU] for before, after in itertools.pairwise(readings)]
    emit("operator", "processor time of idling", [part * RUNS * 60 / IDLE_SECONDS for part in used], "s/min", 0.5)
    resident = [reading["process_resident_memory_bytes"] / 2**20 for reading in readings[1:]]
    emit("operator", "resident memory", resident, "MiB", 150)


def hundred(api: Api, figures: OperatorFigures, space: Namespace) -> tuple[float, float]:
    """A hundred ModelDeployments whose pods no node takes: seconds until all have all their children, and seconds of
    processor time until ten more have passed."""

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
    seconds = time.monotonic() - started
    time.sleep(10)
    return seconds, figures.read()[CPU] - before[CPU]


def main(api: Api) -> None:
    """Print the figures of the operator."""
    figures = OperatorFigures(api)
    with namespace() as space:
        creation(api, figures, space)
        idle(figures)
    hundreds = []
    for _ in range(RUNS):
        with namespace() as space:
            hundreds.append(hundred(api, figures, space))
    seconds, used = zip(*hundreds, strict=True)
    emit("operator", "100 ModelDeployments to all children", seconds, "s", 10, "KServe: 26 s")
    emit("operator", "processor time for 100 ModelDeployments", used, "s", 8, "KServe: 4.0 s")
