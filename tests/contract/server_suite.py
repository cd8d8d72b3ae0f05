"""Contract C3 of a server: assertions that hold for the real server and for the fake one of tests/core.

A module of each has a subclass of `Reports` with the fixture `served`; the tests are the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytest

from ropewalk_contract import reasons, wire
from ropewalk_contract.documents.baseline_report import BaselineReport
from ropewalk_contract.documents.routes import Route, Routes
from ropewalk_contract.documents.status_report import FAILED, LOADING, PROVED, HeldVersion, StatusReport
from ropewalk_contract.documents.windows_page import Page
from ropewalk_model.baseline import Baseline


class Served(ABC):
    """A server that has started with routes of revision 1, in which version 1 is live."""

    pod: str
    versions: tuple[Route, Route]
    """Versions 1 and 2."""
    bucket_seconds: int

    @abstractmethod
    def tell(self, routes: Routes) -> None:
        """Hand the routes to the server, which need not follow them at once."""

    @abstractmethod
    def get(self, path: str) -> Any:
        """The parsed answer of the monitoring port."""

    @abstractmethod
    def tamper(self, route: Route) -> None:
        """Change a file of that version."""

    @abstractmethod
    def count(self) -> Any:
        """Make one prediction of one row; the answer to GET /windows once its bucket is closed."""

    @abstractmethod
    def until(self, look: Callable[[StatusReport], bool]) -> StatusReport:
        """The first report for which `look` holds."""

    def follow(
        self, revision: int, live: int, *versions: Route, pilot: str | None = None, held: int = 2
    ) -> StatusReport:
        """Tell the server; the report once it follows, and has tried so many versions."""
        self.tell(Routes(revision, live, pilot, versions, bucket_seconds=self.bucket_seconds, model="cancer"))
        return self.until(
            lambda found: (
                (found.revision, found.live, len(found.versions)) == (revision, live, held)
                and LOADING not in {one.state for one in found.versions}
            )
        )


def report(served: Served) -> StatusReport:
    """The status report, which has the fields of its type and no others."""
    answer = served.get(wire.STATUS_PATH)
    found = StatusReport.read(answer)
    assert found.document() == answer
    return found


def held(found: StatusReport, version: int) -> HeldVersion:
    """The version in a report."""
    (one,) = (one for one in found.versions if one.version == version)
    return one


class Reports:
    """The tests; a subclass has the fixture."""

    @pytest.fixture
    def served(self) -> Served:
        """The server."""
        raise NotImplementedError

    def test_status_names_the_live_version(self, served: Served) -> None:
        found = report(served)
        one = held(found, 1)
        assert (found.revision, found.live, found.pod, found.unavailable_reason) == (1, 1, served.pod, "")
        assert (one.state, one.reason, one.digest, one.path) == (
            PROVED, "", served.versions[0].digest, served.versions[0].path
        )  # fmt: skip
        assert one.engine

    def test_a_newcomer_is_proved_before_it_is_live(self, served: Served) -> None:
        assert held(served.follow(2, 1, *served.versions), 2).state == PROVED
        assert held(served.follow(3, 2, *served.versions), 2).state == PROVED

    def test_an_old_revision_is_ignored(self, served: Served) -> None:
        served.follow(3, 1, *served.versions)
        served.tell(Routes(2, 2, None, served.versions, bucket_seconds=served.bucket_seconds, model="cancer"))
        assert (report(served).revision, report(served).live) == (3, 1)
        served.follow(4, 1, *served.versions)

    def test_another_pod_s_newcomer_is_not_loaded(self, served: Served) -> None:
        found = served.follow(2, 1, *served.versions, pilot="another", held=1)
        assert [one.version for one in found.versions] == [1]

    def test_a_tampered_version_is_refused_for_good(self, served: Served) -> None:
        served.tamper(served.versions[1])
        two = held(served.follow(2, 1, *served.versions), 2)
        assert (two.state, two.reason, two.engine) == (FAILED, reasons.TAMPERED_MODEL, "")
        assert (two.refused, two.may_pass) == (True, False)
        assert two.message

    def test_an_absent_version_is_tried_again(self, served: Served) -> None:
        one, two = served.versions
        absent = Route(2, two.path.replace("/models/", "/absent/", 1), two.manifest_digest, two.digest)
        found = held(served.follow(2, 1, one, absent), 2)
        assert (found.state, found.reason, found.may_pass) == (FAILED, reasons.MODEL_NOT_FOUND, True)

    def test_windows_count_each_request_once(self, served: Served) -> None:
        answer = served.count()
        found = Page.read(answer)
        assert found.document(served.bucket_seconds) == answer
        (bucket,) = found.buckets
        assert (bucket.version, bucket.digest) == (1, served.versions[0].digest)
        assert (bucket.requests, bucket.errors, bucket.rows) == (1, 0, 1)
        assert bucket.start % bucket.seconds == 0
        assert (bucket.seconds, sum(bucket.latency_counts)) == (served.bucket_seconds, 1)
        assert len(bucket.latency_counts) == len(bucket.edges_seconds) + 1
        assert (found.more, found.lost_before, found.through >= bucket.end) == (False, 0, True)
        after = Page.read(served.get(f"{wire.WINDOWS_PATH}?since={found.through}"))
        assert (after.buckets, after.through >= found.through) == ((), True)

    def test_the_baseline_is_that_of_the_live_version(self, served: Served) -> None:
        answer = served.get(wire.BASELINE_PATH)
        found = BaselineReport.read(answer)
        assert (found.version, found.document()) == (1, answer)
        assert Baseline.from_document(found.baseline).bins
