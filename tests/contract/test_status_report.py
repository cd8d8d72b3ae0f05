"""GET /status: reports of version 1 are read, what is written is read again, and every wrong field is named."""

from __future__ import annotations

from typing import Any

import pytest

from ropewalk_contract.documents.fields import Refused
from ropewalk_contract.documents.status_report import HeldVersion, StatusReport
from tests.contract.samples_of import sample

PATH = "/ropewalk/claims/models/demo/cancer/models/7"
REPORT = StatusReport(
    revision=12,
    live=7,
    versions=(
        HeldVersion(7, "sha256:a", PATH, "Proved", "", "", "LiteRT"),
        HeldVersion(8, "", PATH, "Failed", "ModelNotFound", "The version's directory does not exist", ""),
    ),
    unavailable_reason="no token is mounted",
    pod="cancer-server-abc-0",
)


@pytest.mark.parametrize("report", [REPORT, StatusReport(0, None, ())])
def test_a_report_is_read_as_it_was_written(report: StatusReport) -> None:
    assert StatusReport.read(report.document()) == report


@pytest.mark.parametrize("name", ["status_report", "status_report-unavailable"])
def test_a_report_of_version_1_is_read_and_written_as_it_was(name: str) -> None:
    assert StatusReport.read(sample(name)).document() == sample(name)


def test_a_report_tells_what_a_server_tries_again() -> None:
    proved, absent = REPORT.versions
    assert (proved.refused, absent.refused, absent.may_pass) == (False, True, True)
    tampered = HeldVersion(8, "", PATH, "Failed", "TamperedModel", "", "")
    assert (tampered.refused, tampered.may_pass) == (True, False)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"formatVersion": 2}, "formatVersion"),
        ({"revision": None}, "revision"),
        ({"revision": 12.5}, "revision"),
        ({"live": "7"}, "live"),
        ({"versions": None}, "versions"),
        ({"versions": [{}] * 101}, "versions"),
        ({"versions": [7]}, "versions[0]"),
        ({"versions": [{**REPORT.versions[0].document(), "version": "7"}]}, "versions[0].version"),
        ({"versions": [{**REPORT.versions[0].document(), "state": ""}]}, "versions[0].state"),
    ],
)
def test_a_wrong_field_refuses_the_report_and_is_named(change: dict[str, Any], field: str) -> None:
    """A revision that is no number is not revision 0: nothing is known of the pod."""
    with pytest.raises(Refused) as refused:
        StatusReport.read({**REPORT.document(), **change})
    assert refused.value.field == field


def test_long_texts_are_cut() -> None:
    long = {**REPORT.versions[1].document(), "message": "x" * 9999, "reason": "x" * 9999}
    (held,) = StatusReport.read({**REPORT.document(), "versions": [long], "trouble": "x" * 9999}).versions
    assert (len(held.message), len(held.reason)) == (500, 100)
