"""Stored totals that were damaged lose themselves alone, and sums stay with the version that they are of."""

from __future__ import annotations

from typing import Any

import pytest

from ropewalk.core.deployment.children.routes_configmap import observed_routes
from ropewalk.core.deployment.monitoring import verdicts
from ropewalk.core.deployment.observe import totals_configmap, window_totals
from ropewalk.core.deployment.observe.labels import Labels
from ropewalk.core.deployment.observe.totals_configmap import StoredTotals
from ropewalk.core.deployment.observe.window_totals import VersionTotals, WindowTotals
from ropewalk.core.deployment.state import Candidate, DeploymentState, Live, Retired, Step
from ropewalk.core.deployment.versions import Version
from ropewalk_contract.api.modeldeployment import Monitor
from ropewalk_model.windows import Bucket
from tests.core.deployment_world import START, champion

DIGEST = champion(1)["digest"]


STRANGE: list[Any] = [float("inf"), float("nan"), 10**400, -1, True, "1", None, [], {}]


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("field", ["version", "since", "chunkSeconds", "windowSeconds", "sums", "windows"])
def test_no_number_in_a_stored_entry_ends_a_pass(field: str, strange: Any) -> None:
    """Infinity is JSON to Python, and no whole number; the other entry is read."""
    one = VersionTotals(1, DIGEST, 3600, 3600)
    document = WindowTotals({"pod": 600}, {one.key: one}).document()
    [entry] = document["versions"]
    found = WindowTotals.from_document({**document, "versions": [{**entry, field: strange}, {**entry, "version": 2}]})
    assert found is not None
    assert [one.version for one in found.versions.values()] == (
        [1, 2] if strange in ([], {}) and field in ("sums", "windows") else [2]
    )
    count = {"start": 0, "count": strange, "correct": strange, "classes": []}
    assert WindowTotals.from_document({**document, "versions": [{**entry, "sums": [count]}]}) is None
    assert WindowTotals.from_document({**document, "upTo": {"pod": strange}}) is None


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1e999", "Infinity", '{"formatVersion": 2}', '"'])
def test_no_text_in_a_config_map_ends_a_pass(text: str) -> None:
    """However deep it is nested."""
    maps = [
        {"kind": "ConfigMap", "metadata": {"name": f"cancer-{name}"}, "data": {key: text}}
        for name, key in (("labels", "labels.json"), ("baseline", "baseline.json"), ("routes", "routes.json"))
    ]
    assert totals_configmap.read("cancer", maps) == StoredTotals()
    assert observed_routes(maps[2]) is None


def test_sums_stay_with_a_version_whose_digest_becomes_known() -> None:
    """A Pipeline that was recovered tells the digest of a version that had been pinned by its number alone."""
    known = Version.from_document(champion(1))
    assert known is not None
    sums = ((0, Labels(3, 2)),)
    for former in (known.uri, known.manifest_digest):
        assert former is not None
        before = VersionTotals(1, former, 3600, 3600, sums=sums)
        stored = WindowTotals({"pod": 600}, {before.key: before})
        [found] = window_totals.current(stored, [Live(known, "", START)], 3600, 7 * 86400).versions.values()
        assert (found.key, found.sums) == (known.key, sums)


def test_a_bucket_is_of_the_version_whose_digest_is_known() -> None:
    """A model without a known digest has taken the number of the one that answered before."""
    new = Live(Version(1, "pvc://models/new"), "", START)
    former = Live(Version(1, "pvc://models/former", DIGEST), "", START)
    counted = [new, former]
    totals = window_totals.current(None, counted, 3600, 7 * 86400)
    start = int(START.timestamp())
    for digest, key in ((DIGEST, former.version.key), ("sha256:other", new.version.key)):
        assert window_totals.key_of(Bucket(start, 60, 1, digest), totals, counted) == key


def test_the_windows_of_a_candidate_that_was_live_before_are_kept() -> None:
    """A way back: it is the retired version too, of which nothing is judged any more."""
    state = DeploymentState(
        live=Live(Version(2, "pvc://models/2"), "", START),
        candidate=Candidate(Version(1, "pvc://models/1"), Step.LOADING, START),
        retired=Retired(Version(1, "pvc://models/1"), START, START),
    )
    assert verdicts.judged(state, Monitor())[Version(1, "pvc://models/1").key] == 0.0
