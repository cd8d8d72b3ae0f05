"""Durations, quantities, uris and digests: what they accept as text is what every program computes with."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from ropewalk_contract.values import Digest, Duration, Quantity, StoreUri


@pytest.mark.parametrize(("text", "seconds"), [("20ms", 0.02), ("90s", 90), ("1h30m", 5400), ("7d", 604800), ("0s", 0)])
def test_durations(text: str, seconds: float) -> None:
    assert Duration.parse(text).seconds == seconds
    assert Duration.parse(text).span == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-1s", "1.5h", "1w", "1s "])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("text", "value"), [("500m", "0.5"), ("4Mi", "4194304"), (2, "2"), ("1e3", "1000"), ("1.5Gi", "1610612736")]
)
def test_quantities_are_exact(text: str | int, value: str) -> None:
    assert Quantity.parse(text).amount == Decimal(value)


def test_a_quantity_of_memory_is_whole_bytes() -> None:
    assert Quantity.parse("0.1k").bytes == 100
    assert Quantity.parse("1500m").bytes == 1


@pytest.mark.parametrize("text", ["", "4MiB", "x", "1 Gi", "inf", "nan", "0,5", "1.2.3", "1.2.3e4"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        Quantity.parse(text)


@pytest.mark.parametrize(
    ("text", "name", "path", "below"),
    [
        ("pvc://models", "models", "", "claims/models"),
        ("pvc://models/a/b/3", "models", "a/b/3", "claims/models/a/b/3"),
        ("pvc://data/2026/*.csv", "data", "2026/*.csv", "claims/data/2026/*.csv"),
        ("configmap://table/data.csv", "table", "data.csv", "configmaps/table/data.csv"),
    ],
)
def test_a_uri_names_a_volume_and_a_path_in_it(text: str, name: str, path: str, below: str) -> None:
    uri = StoreUri.parse(text)
    assert (uri.name, uri.path, uri.below_root, str(uri)) == (name, path, below, text)


@pytest.mark.parametrize("text", ["", "s3://bucket/key", "pvc://", "pvc:///etc", "pvc://a/../b", "pvc://..", "/a/b"])
def test_a_uri_stays_in_its_volume(text: str) -> None:
    with pytest.raises(ValueError, match=r"pvc://|path"):
        StoreUri.parse(text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("pvc://a/b", True),
        ("pvc://a/b/", True),
        ("pvc://a", False),
        ("pvc://a/b//c", False),
        ("configmap://a/b", False),
    ],
)
def test_a_version_lies_in_a_directory_of_a_claim(text: str, is_one: bool) -> None:
    assert StoreUri.parse(text).is_directory_of_claim is is_one


def test_a_digest_has_one_spelling() -> None:
    text = "sha256:" + "0f" * 32
    assert str(Digest.parse(text)) == text
    for wrong in ("", "0f" * 32, "sha256:" + "0F" * 32, text[:-1], text + "0", text + "\n"):
        with pytest.raises(ValueError, match="64 hexadecimal"):
            Digest.parse(wrong)
