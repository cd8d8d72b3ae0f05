"""The real server keeps contract C3, with the tests that its fake of tests/core passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ropewalk_contract import wire
from ropewalk_contract.documents.routes import Route, Routes
from ropewalk_contract.documents.status_report import StatusReport
from tests.contract.server_suite import Reports, Served
from tests.contract.trainer_suite import check_published
from tests.server.conftest import Published, Server, row


class Real(Served):
    """A server process over a copy of the store."""

    pod = "pod-a"
    bucket_seconds = 2

    def __init__(self, server: Server, published: Published) -> None:
        self.server = server
        one, two = (_route(version) for version in published[1])
        self.versions = one, two

    def tell(self, routes: Routes) -> None:
        self.server.put_routes(routes.document())

    def get(self, path: str) -> Any:
        return self.server.get(path, monitoring=True)[1]

    def tamper(self, route: Route) -> None:
        path = self.server.root / route.path.removeprefix(f"{wire.ROOT}/") / "saved_model.pb"
        path.write_bytes(path.read_bytes() + b"x")

    def count(self) -> Any:
        assert self.server.predict(row())[0] == 200
        self.server.until(lambda: self.get(wire.WINDOWS_PATH)["buckets"])
        return self.get(wire.WINDOWS_PATH)

    def until(self, look: Callable[[StatusReport], bool]) -> StatusReport:
        self.server.until(lambda: look(StatusReport.read(self.get(wire.STATUS_PATH))))
        return StatusReport.read(self.get(wire.STATUS_PATH))


def _route(version: dict[str, Any]) -> Route:
    path = f"{wire.ROOT}/{wire.CLAIMS_FOLDER}/{version['uri'].removeprefix('pvc://')}"
    return Route(version["version"], path, version["manifestDigest"], version["digest"])


def test_the_smoke_test_reports_a_version_as_its_fake_does(published: Published) -> None:
    for message in published[1]:
        check_published(message)


class TestServer(Reports):
    """The suite."""

    @pytest.fixture
    def served(self, server: Server, published: Published) -> Served:
        real = Real(server, published)
        real.tell(Routes(1, 1, None, real.versions[:1], bucket_seconds=real.bucket_seconds, model="cancer"))
        server.start()
        real.until(lambda found: found.live == 1)
        return real
