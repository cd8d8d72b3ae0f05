"""routes.json: routes of version 1 are read, what is written is read again, and every wrong field is named."""

from __future__ import annotations

from typing import Any

import pytest

from ropewalk_contract.documents.fields import Refused
from ropewalk_contract.documents.routes import Batching, RequestLimits, Route, Routes
from tests.contract.samples_of import sample

PATH = "/ropewalk/claims/models/demo/cancer/models/7"
ROUTES = Routes(
    revision=12,
    live=7,
    pilot="cancer-server-abc-0",
    versions=(Route(7, PATH, "sha256:b", "sha256:a"), Route(8, PATH, None, "")),
    bucket_seconds=10,
    engine="LiteRT",
    limits=RequestLimits(1024, 10, 0.5, 1),
    batching=Batching("Bounded", 64, 0.002),
    retry=3,
    model="cancer",
)


@pytest.mark.parametrize("routes", [ROUTES, Routes(1), Routes(2, batching=Batching("Off"))])
def test_routes_are_read_as_they_were_written(routes: Routes) -> None:
    assert Routes.read(routes.document()) == routes


def test_routes_of_version_1_are_read_and_written_as_they_were() -> None:
    """With the same revision the same bytes, or servers would hold what a ConfigMap no longer says."""
    assert Routes.read(sample("routes")).document() == sample("routes")


def test_what_is_absent_has_a_default() -> None:
    assert Routes.read({"formatVersion": 1, "revision": 1, "live": None, "limits": {"maxRows": 5}}) == Routes(
        1, limits=RequestLimits(max_rows=5)
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"formatVersion": 2}, "formatVersion"),
        ({"revision": "12"}, "revision"),
        ({"live": -1}, "live"),
        ({"live": True}, "live"),
        ({"pilot": 3}, "pilot"),
        ({"versions": {"7": 1}}, "versions"),
        ({"versions": [{"version": 7}]}, "versions[0].path"),
        ({"versions": [*ROUTES.document()["versions"], 7]}, "versions[2]"),
        ({"bucketSeconds": 0}, "bucketSeconds"),
        ({"limits": {"maxRows": 0}}, "limits.maxRows"),
        ({"limits": {"deadlineSeconds": float("nan")}}, "limits.deadlineSeconds"),
        ({"limits": {"deadlineSeconds": 10**400}}, "limits.deadlineSeconds"),
        ({"batching": {"type": "Always"}}, "batching.type"),
        ({"batching": {"type": "Bounded", "maxRows": 1, "maxDelaySeconds": -1}}, "batching.maxDelaySeconds"),
        ({"retry": "x"}, "retry"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        Routes.read({**ROUTES.document(), **change})
    assert refused.value.field == field


def test_stored_routes_are_read_field_by_field() -> None:
    assert Routes.read_stored(sample("routes")) == Routes.read(sample("routes"))
    assert Routes.read_stored(ROUTES.document()) == ROUTES
    wrong = {"live": True, "pilot": 3, "limits": {"maxRows": 0}, "batching": {"type": "Always"}, "retry": "x"}
    wrong |= {"versions": [{"version": 7}, None, ROUTES.versions[1].document()], "bucketSeconds": 0, "engine": None}
    assert Routes.read_stored(ROUTES.document() | wrong) == Routes(12, versions=ROUTES.versions[1:], model="cancer")


@pytest.mark.parametrize("document", [None, [], {}, {"revision": "x"}, {"revision": -1}, {"revision": None}])
def test_stored_routes_have_a_revision(document: Any) -> None:
    assert Routes.read_stored(document) is None
