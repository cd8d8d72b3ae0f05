"""The fake server of tests/core keeps contract C3."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ropewalk_contract import wire
from ropewalk_contract.documents.routes import Route, Routes
from ropewalk_contract.documents.status_report import StatusReport
from ropewalk_contract.documents.windows_page import Bucket
from tests.contract.server_suite import Reports, Served
from tests.core.deployment_world import Server, World, champion
from tests.core.monitoring_world import watched


class Fake(Served):
    """One server of a World without an operator."""

    pod = "cancer-server-abc-0"
    bucket_seconds = 10

    def __init__(self) -> None:
        self.world, self.server = World(), Server(self.pod)
        self.world.baseline, self.world.servers = watched().baseline, [self.server]
        one, two = (_route(champion(number)) for number in (1, 2))
        self.versions = one, two

    def tell(self, routes: Routes) -> None:
        self.server.follow(json.loads(json.dumps(routes.document())))

    def get(self, path: str) -> Any:
        return json.loads(json.dumps(self.world._answer(self.pod, path).body))

    def tamper(self, route: Route) -> None:
        self.server.broken.add(route.version)

    def count(self) -> Any:
        start = int(self.world.now.timestamp()) // 10 * 10
        counts = {"requests": 1, "rows": 1, "edges_seconds": (0.001, 0.01), "latency_counts": (1, 0, 0)}
        self.server.windows.append(Bucket(start, 10, 1, self.versions[0].digest, **counts).document())  # type: ignore[arg-type]
        self.world.now += timedelta(seconds=20)
        return self.get(wire.WINDOWS_PATH)

    def until(self, look: Callable[[StatusReport], bool]) -> StatusReport:
        found = StatusReport.read(self.get(wire.STATUS_PATH))
        assert look(found), found
        return found


def _route(version: dict[str, Any]) -> Route:
    path = f"{wire.ROOT}/{wire.CLAIMS_FOLDER}/{version['uri'].removeprefix('pvc://')}"
    return Route(version["version"], path, version["manifestDigest"], version["digest"])


class TestFakeServer(Reports):
    """The suite."""

    @pytest.fixture
    def served(self) -> Served:
        fake = Fake()
        fake.follow(1, 1, fake.versions[0], held=1)
        return fake
