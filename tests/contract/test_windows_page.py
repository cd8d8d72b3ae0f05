"""GET /windows: pages of version 1 are read, what is written is read again, and every wrong field is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ropewalk_contract.documents.fields import Refused
from ropewalk_contract.documents.windows_page import Bucket, Page
from tests.contract.samples_of import sample

BUCKET = Bucket(
    start=1700000040,
    seconds=60,
    version=7,
    digest="sha256:a",
    requests=10,
    errors=1,
    rows=12,
    edges_seconds=(0.001, 0.01),
    latency_counts=(5, 4, 1),
    features={"mean_radius": (3, 4, 5)},
    predictions=(7, 5),
    label_count=4,
    label_correct=3,
    classes={0: (2, 2, 1), 1: (2, 2, 2)},
)
PAGE = Page((BUCKET, Bucket(1700000100, 60, 8, "")), 1700000160, more=True, lost_before=1700000000)


@pytest.mark.parametrize("page", [PAGE, Page(())])
def test_a_page_is_read_as_it_was_written(page: Page) -> None:
    assert Page.read(json.loads(json.dumps(page.document(60)))) == page


def test_a_page_of_version_1_is_written_as_it_was() -> None:
    assert Page.read(sample("windows_page")).document(sample("windows_page")["bucketSeconds"]) == sample("windows_page")


def test_a_page_of_version_1_is_read() -> None:
    page = Page.read(sample("windows_page"))
    assert (len(page.buckets), page.through, page.more, page.lost_before) == (2, 1700000100, False, 0)
    first = page.buckets[0]
    assert (first.start, first.requests, first.features["mean_radius"]) == (1699999980, 10, (3, 4, 5))
    assert first.classes == BUCKET.classes


def changed(**fields: Any) -> dict[str, Any]:
    """A page whose second bucket has other fields."""
    return {**PAGE.document(60), "buckets": [BUCKET.document(), {**BUCKET.document(), **fields}]}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({**PAGE.document(60), "formatVersion": 3}, "formatVersion"),
        ({**PAGE.document(60), "buckets": None}, "buckets"),
        ({**PAGE.document(60), "buckets": [{}] * 1501}, "buckets"),
        ({**PAGE.document(60), "through": -1}, "through"),
        ({**PAGE.document(60), "lostBefore": "x"}, "lostBefore"),
        ({**PAGE.document(60), "bucketSeconds": 1.5}, "bucketSeconds"),
        ({**PAGE.document(60), "buckets": [3]}, "buckets[0].bucket"),
        (changed(requests=None), "buckets[1].requests"),
        (changed(rows=True), "buckets[1].rows"),
        (changed(seconds=0), "buckets[1].seconds"),
        (changed(predictions=[1, -1]), "buckets[1].predictions"),
        (changed(features={"x": [1] * 2001}), "buckets[1].features"),
        (changed(features={str(index): [1] for index in range(2001)}), "buckets[1].features"),
        (changed(latency={"edgesSeconds": ["x"], "counts": [1, 2]}), "buckets[1].latency.edgesSeconds"),
        (changed(latency={"edgesSeconds": [10**400], "counts": [1, 2]}), "buckets[1].latency.edgesSeconds"),
        (changed(labels={"count": 1, "correct": 1, "classes": [[0, 1, 1]]}), "buckets[1].labels.classes"),
        (changed(labels=[1]), "buckets[1].labels"),
    ],
)
def test_a_wrong_field_refuses_the_page_and_is_named(document: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        Page.read(document)
    assert refused.value.field == field
