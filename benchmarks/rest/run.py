"""Processor time, memory and writes of the operator for 0, 50, 100 and 200 ModelDeployments of one pod each at rest.

A quarter as many Pipelines, each with a champion and a drift trigger over four ModelDeployments, are there as well. No
model is trained or served: Pipelines get the status of a run that succeeded, pods run on a node of the benchmark's own
(`node.py`) and answer as a server without traffic does (`canned.py`). The operator is the one that `make install`
installed. ROPEWALK_BENCH_REST_SECONDS is the time of measurement for the largest number (a fifth of it for others).
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

from benchmarks.cluster import Api, OperatorFigures, is_true, wait
from benchmarks.report import emit
from benchmarks.rest import canned
from benchmarks.rest.node import SELECTOR, Node, answering
from tests.cluster.resources import CLAIM
from tests.support import Namespace, kubectl

NUMBERS = (0, 50, 100, 200)
FOLLOWERS = 4
"""ModelDeployments to a Pipeline."""
SECONDS = float(os.environ.get("ROPEWALK_BENCH_REST_SECONDS", "600"))
STILL_SECONDS = 80.0
"""Without a write for so long, every resource has had a pass that wrote nothing."""
CPU, MEMORY = "process_cpu_seconds_total", "process_resident_memory_bytes"
PASSES = "ropewalk_reconcile_seconds_count{"
CORES, MEGABYTES, MILLISECONDS = 0.1, 250, 15
API = "/apis/ropewalk.dev/v1alpha1"


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """A namespace with the claims that the resources name."""
    space = Namespace(f"bench-{uuid.uuid4().hex[:8]}")
    kubectl("create", "namespace", space.name)
    try:
        space.apply(*({**CLAIM, "metadata": {"name": claim}} for claim in ("data", "models")))
        yield space
    finally:
        kubectl("-n", space.name, "delete", "pipelines,modeldeployments", "--all", "--wait=true", "--timeout=300s")
        kubectl("delete", "namespace", space.name, "--wait=true", "--timeout=300s")


@contextlib.contextmanager
def node(api: Api, space: Namespace) -> Iterator[Node]:
    """The benchmark's node, deleted afterwards with the pods on it."""
    found = Node(api, space.name)
    try:
        found.start()
        yield found
    finally:
        found.stop()


def add(api: Api, space: Namespace, status: dict[str, Any], numbers: range) -> None:
    """ModelDeployments of those numbers and the Pipelines whose first follower is among them.

    Pipelines are suspended until they have their status.
    """
    first = [number for number in numbers if number % FOLLOWERS == 0]
    bodies = [
        canned.pipeline(_followed(number), [_served(number + more) for more in range(FOLLOWERS)]) for number in first
    ]
    for body in bodies:
        body["spec"]["suspend"] = True
    space.apply(*bodies)
    for body in bodies:
        path = f"{API}/namespaces/{space.name}/pipelines/{body['metadata']['name']}"
        whole = {**{key: body[key] for key in ("apiVersion", "kind", "metadata")}, "status": status}
        query = "?fieldManager=ropewalk-status&force=true"
        api.send("PATCH", f"{path}/status{query}", whole, "application/apply-patch+yaml")
        api.send("PATCH", path, {"spec": {"suspend": False}}, "application/merge-patch+json")
    space.apply(*(canned.model_deployment(_served(number), _followed(number), SELECTOR) for number in numbers))


def _served(number: int) -> str:
    return f"rest-{number}"


def _followed(number: int) -> str:
    return f"rest-{number // FOLLOWERS}"


def settle(api: Api, figures: OperatorFigures, space: Namespace, keeper: Node, number: int) -> None:
    """Wait until all are Ready and nothing has been written for a while."""
    keeper.hurried = True

    def ready() -> bool:
        if keeper.failed is not None:
            raise RuntimeError("the node of the benchmark has failed") from keeper.failed
        items = api.json(f"{API}/namespaces/{space.name}/modeldeployments")["items"]
        return sum(is_true(one, "Ready") for one in items) >= number

    wait(ready, 600, 1.0)
    keeper.hurried = False
    seen, since = figures.writes(), time.monotonic()

    def still() -> bool:
        nonlocal seen, since
        now = figures.writes()
        if now != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > STILL_SECONDS

    wait(still, 1200, 5.0)


def measured(figures: OperatorFigures, number: int, at_zero: float) -> float:
    """Print the figures of that many at rest; processor seconds a second. `at_zero` is that of none."""
    seconds = SECONDS if number == max(NUMBERS) else SECONDS / 5
    before, started = figures.read(), time.monotonic()
    highest = 0.0
    end = started + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(15.0, left))
        highest = max(highest, figures.read()[MEMORY])
    after, took = figures.read(), time.monotonic() - started
    cores = (after[CPU] - before[CPU]) / took
    passes = _sum(after, PASSES) - _sum(before, PASSES)
    writes = _sum(after, "ropewalk_writes_total{") - _sum(before, "ropewalk_writes_total{")
    of = f"{number} ModelDeployments of one pod each and {-(-number // FOLLOWERS)} Pipelines at rest"
    largest = number == max(NUMBERS)
    emit("rest", f"{of}: processor", cores, "cores", CORES if largest else None)
    emit("rest", f"{of}: resident memory", highest / 1e6, "MB", MEGABYTES if largest else None)
    emit("rest", f"{of}: writes in {took:.0f} s, the Lease excepted", writes, "writes", 0)
    emit("rest", f"{of}: passes", passes * 60 / took, "1/min")
    if number and passes:
        spent = (cores - at_zero) * took / passes * 1000
        emit("rest", f"{of}: processor time a pass, beyond that of none", spent, "ms", MILLISECONDS)
    return cores


def _sum(figures: dict[str, float], start: str) -> float:
    return sum(value for name, value in figures.items() if name.startswith(start))


def main(api: Api) -> None:
    """Print the figures of resources at rest."""
    figures = OperatorFigures(api)
    status = canned.pipeline_status(canned.pipeline("rest-0", ["rest-0"])["spec"])
    answers = canned.Answers(status["champion"])
    with answering(answers), namespace() as space, node(api, space) as keeper:
        there, at_zero = 0, 0.0
        for number in NUMBERS:
            for start in range(there, number, 50):
                add(api, space, status, range(start, min(start + 50, number)))
            there = number
            settle(api, figures, space, keeper, number)
            cores = measured(figures, number, at_zero)
            at_zero = at_zero or cores
