"""Counts add up, windows are disjoint and closed, and drift is judged only on enough of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ropewalk_model import baseline, drift
from ropewalk_model.baseline import Baseline
from ropewalk_model.features import FeatureSpec
from ropewalk_model.windows import Bucket, InvalidBucket, add, parse, windows

SPECS = [FeatureSpec("x", "Number"), FeatureSpec("plan", "Category", values=("free", "pro"))]


def rows(count: int, shift: float = 0.0, seed: int = 1) -> dict[str, np.ndarray]:
    """`x` from a normal distribution, `plan` mostly free."""
    random = np.random.default_rng(seed)
    return {
        "x": random.normal(shift, 1.0, count).astype(np.float32),
        "plan": random.choice(np.array(["free", "pro"], dtype=object), count, p=[0.8, 0.2]),
    }


def frozen() -> Baseline:
    """The baseline of 5,000 training rows."""
    train = rows(5000)
    return Baseline.from_document(baseline.build(SPECS, train, train["plan"], classes=("free", "pro")))


def bucket(start: int, data: dict[str, np.ndarray], requests: int = 200) -> Bucket:
    """A bucket of ten seconds that saw `data`."""
    bins = frozen().bins
    counts = {name: tuple(bins[name].count(column).tolist()) for name, column in data.items()}
    return Bucket(start, 10, 1, "sha256:a", requests=requests, rows=len(data["x"]), features=counts)


def test_every_row_is_counted_once_whatever_its_value() -> None:
    """NaN, infinities and unknown words have bins of their own."""
    bins = frozen().bins
    odd = np.array([np.nan, np.inf, -np.inf, 0.0], dtype=np.float32)
    assert bins["x"].count(odd).sum() == 4
    assert bins["plan"].count(np.array(["free", "gold", ""], dtype=object)).tolist() == [1, 0, 1, 1]


def test_a_sensitive_features_values_are_in_no_name_and_in_no_public_document() -> None:
    """They are counted as ever, and drift is judged by the public document as by the store's own."""
    train = rows(5000)
    stored = baseline.build(SPECS, train, train["plan"], classes=("free", "pro"), sensitive=("x", "plan"))
    shown = baseline.public(stored, "pro")
    inside, outside = Baseline.from_document(stored), Baseline.from_document(shown)
    assert inside.bins["plan"].names == ["value 1", "value 2", "(other)", "(missing)"]
    assert inside.bins["x"].names[:3] == ["(under)", "range 1", "range 2"]
    assert len(inside.bins["x"].names) == inside.bins["x"].size
    for feature in shown["features"]:
        text = json.dumps(feature)
        assert not any(value in text for value in ("free", 'pro"', str(inside.bins["x"].edges[0])))
    assert (outside.positive, frozen().positive) == (1, None)
    window = bucket(0, rows(1000, 1.5, seed=4))
    assert drift.verdict(window, outside, 0.2, 500, 100) == drift.verdict(window, inside, 0.2, 500, 100)


def test_what_is_not_sensitive_is_named() -> None:
    """By its values and ranges."""
    assert frozen().bins["plan"].names == ["free", "pro", "(other)", "(missing)"]
    assert frozen().bins["plan"].public == frozen().bins["plan"]


def test_the_sum_of_pods_is_what_one_pod_would_have_counted() -> None:
    """Additive, in any order."""
    one, two = rows(300, seed=2), rows(200, seed=3)
    both = {name: np.concatenate([one[name], two[name]]) for name in one}
    total, whole = add([bucket(0, one), bucket(0, two)]), bucket(0, both)
    assert total.features == whole.features
    assert add([bucket(0, two), bucket(0, one)]).features == whole.features


def test_windows_are_disjoint_aligned_and_closed() -> None:
    """A window that has not ended is not shown; a bucket lies in one window only."""
    found = windows([bucket(start, rows(10)) for start in range(0, 100, 10)], 30, now=95.0)
    assert [(one.start, one.rows) for one in found] == [(0, 30), (30, 30), (60, 30)]


@pytest.mark.parametrize(("shift", "state"), [(0.0, "Stable"), (1.5, "Drifted")])
def test_a_shift_is_found_and_named_and_chance_is_not(shift: float, state: str) -> None:
    """PSI over the threshold and not explained by chance."""
    verdict = drift.verdict(bucket(0, rows(1000, shift, seed=4)), frozen(), 0.2, 500, 100)
    assert verdict.state == state
    if state == "Drifted":
        assert verdict.worst == "x"


def test_too_few_rows_or_requests_are_inconclusive() -> None:
    """Never Stable, never Drifted."""
    few = drift.verdict(bucket(0, rows(50, 3.0)), frozen(), 0.2, 500, 10)
    one_request = drift.verdict(bucket(0, rows(1000, 3.0), requests=1), frozen(), 0.2, 500, 10)
    assert (few.state, one_request.state) == ("Inconclusive", "Inconclusive")


@pytest.mark.parametrize(
    "document",
    [
        None,
        {"formatVersion": 2, "buckets": []},
        {"formatVersion": 1, "bucketSeconds": 10, "buckets": [{"start": 0}]},
        {
            "formatVersion": 1,
            "bucketSeconds": 10,
            "buckets": [{"start": -1, "version": 1, "requests": 1, "errors": 0, "rows": 1}],
        },
        {
            "formatVersion": 1,
            "bucketSeconds": 10,
            "buckets": [{"start": 0, "version": 1, "requests": 1.5, "errors": 0, "rows": 1}],
        },
    ],
)
def test_a_pods_words_are_not_believed_blindly(document: object) -> None:
    """Malformed windows raise, and are never counted as zero."""
    with pytest.raises(InvalidBucket):
        parse(document)


@pytest.mark.parametrize("strange", [-1, 1.5, float("inf"), 10**400, True, "3", None])
def test_counts_of_a_baseline_are_whole_numbers(strange: object) -> None:
    """A pod gives it to the operator, whose arithmetic must not fail."""
    train = {"x": np.zeros(20, dtype=np.float32)}
    for place in ("counts", "predictions", "rows"):
        stored = baseline.build([FeatureSpec("x", "Number")], train, np.array(["a"] * 20), classes=("a", "b"))
        match place:
            case "counts":
                stored["features"][0]["counts"][0] = strange
            case "predictions":
                stored["predictions"]["counts"][0] = strange
            case _:
                stored["rows"] = strange
        with pytest.raises(ValueError, match="baseline"):
            Baseline.from_document(stored)
