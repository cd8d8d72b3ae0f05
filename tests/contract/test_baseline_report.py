"""GET /baseline: an answer of version 1 is read, a new one is read as it was written, and a wrong field is named."""

from __future__ import annotations

from typing import Any

import pytest

from ropewalk_contract.documents.baseline_report import BaselineReport
from ropewalk_contract.documents.fields import Refused
from ropewalk_model.baseline import Baseline
from tests.contract.samples_of import sample

REPORT = BaselineReport(7, {"formatVersion": 1, "rows": 0, "features": []})


def test_a_report_is_read_as_it_was_written() -> None:
    assert BaselineReport.read(REPORT.document()) == REPORT


def test_a_report_of_version_1_is_read() -> None:
    """Servers of 9fe97bf write no `formatVersion`."""
    found = BaselineReport.read(sample("baseline_report"))
    assert found.document() == {"formatVersion": 1, **sample("baseline_report")}
    baseline = Baseline.from_document(found.baseline)
    assert (found.version, set(baseline.bins)) == (7, {"mean_radius", "ward"})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"formatVersion": 2}, "formatVersion"),
        ({"version": None}, "version"),
        ({"version": "7"}, "version"),
        ({"baseline": None}, "baseline"),
        ({"baseline": []}, "baseline"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        BaselineReport.read({**REPORT.document(), **change})
    assert refused.value.field == field


@pytest.mark.parametrize("document", [None, [], {"error": "no version is live"}])
def test_an_error_is_no_report(document: Any) -> None:
    with pytest.raises(Refused):
        BaselineReport.read(document)
