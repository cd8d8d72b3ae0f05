"""Words of texts and moments of times: the rules, on examples. TensorFlow is held to them by the trainer's tests."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk_model import baseline, drift, text, timestamps
from ropewalk_model.baseline import Baseline
from ropewalk_model.features import Encoder, FeatureSpec, fit
from ropewalk_model.signature import TensorSpec
from ropewalk_model.windows import Bucket


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Don\u2019t \u201cSHOUT\u201d, don't!", ["don", "t", "shout", "don", "t"]),
        ("iPhone13 costs 799\u20ac", ["iphone13", "costs", "799"]),
        ("\u039f\u0394\u039f\u03a3 \u03bf\u03b4\u03bf\u03c2", ["\u03bf\u03b4\u03bf\u03c3"] * 2),
        ("\u0130stanbul \u00c9COLE", ["istanbul", "\u00e9cole"]),
        ("e\u0301t\u00e9", ["e\u0301t\u00e9"]),
        ("good\U0001f600\U0001f600 \u2764\ufe0f", ["good", "\U0001f600", "\U0001f600", "\u2764"]),
        ("\u65e5\u672c\u8a9e\u3067\u3059", ["\u65e5", "\u672c", "\u8a9e", "\u3067\u3059"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940 \u0939\u09ce", ["\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u09ce"]),
        ("a\u0000b\u00a0c\u2028d\ue000e", ["a", "b", "c", "d", "e"]),
        ("\ud800a", ["a"]),
        ("?!", []),
        ("", []),
    ],
)
def test_words(said: str, words: list[str]) -> None:
    assert text.words(said, 99) == words
    assert text.words(f"{said} \u00b0", 99) == words, "what has other characters than ASCII's takes another way"


def test_the_table_is_the_same_for_ever() -> None:
    """Versions trained with it are served with it: a Python with another one must not pass unnoticed."""
    digest = hashlib.sha256(text.table().astype("<i4").tobytes()).hexdigest()
    assert digest == "9da7a53147b2f0a27742967153b80e3ebe8607a957096153d6cad4e484902ce2"
    again = text.table()[text.table()]
    assert np.array_equal(again, text.table()), "what is folded stays as it is"
    assert not any(chr(code).isspace() for code in set(text.table().tolist()) - {text.SPACE})


@given(st.text(st.characters(exclude_categories=())))
def test_words_have_no_space_and_are_as_many_as_may_be(said: str) -> None:
    found = text.words(said, 5)
    assert len(found) <= 5
    assert found == text.words(said, 500)[:5]
    assert text.words(" ".join(found), 5) == found


def test_token_ids() -> None:
    """The most frequent word first, one that stands once is unknown, what is missing or too short is padding."""
    spec = FeatureSpec("comment", "Text", optional=True, max_vocabulary=2, max_tokens=3)
    train = np.array(["a b a", "b c", "a c", "", "d"], dtype=object)
    encoder = fit([spec], {"comment": train})
    assert encoder.encodings[0].vocabulary == ("a", "b")
    rows = np.array(["B? A", "a a a a", "zzz c", "", "!"], dtype=object)
    expected = [[3, 2, 0], [2, 2, 2], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert encoder.encode({"comment": rows}).tolist() == expected
    assert "d" not in fit([FeatureSpec("comment", "Text")], {"comment": train}).known_words["comment"]


def test_texts_and_times_survive_json_to_the_last_bit() -> None:
    specs = [FeatureSpec("t", "Text", max_tokens=4), FeatureSpec("at", "Timestamp", optional=True)]
    times = ["2026-01-31T09:30:00Z", "", "nonsense", "1600-02-29T00:00:00+14:00"]
    columns = {
        "t": np.array(["x y", "y x x", "z", "y"], dtype=object),
        "at": np.array(times, dtype=object),
    }
    encoder = fit(specs, columns)
    again = Encoder.from_document(json.loads(json.dumps(encoder.document())))
    assert np.array_equal(encoder.encode(columns), again.encode(columns))
    assert again.width == 4 + timestamps.WIDTH + 1
    assert encoder.document()["formatVersion"] == 1
    tensor = specs[1].tensor
    assert TensorSpec.from_document(json.loads(json.dumps(tensor.document()))) == tensor
    assert TensorSpec.from_document({"name": "x", "dtype": "STRING", "shape": [-1]}) == TensorSpec("x", "STRING")


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "now", "2026-01-31", "2026-01-31T09:30:00", "2026-01-31 09:30:00Z", "2026-1-31T09:30:00Z"),
        *("2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        *("2026-01-31T24:00:00Z", "2026-01-31T09:60:00Z", "2026-01-31T09:30:60Z", "2026-01-31T09:30:00+24:00"),
        *("2026-01-31T09:30:00+0100", "2026-01-31T09:30:00.Z", "2026-01-31T09:30:00Z ", "2026-01-31T09:30:00Z\n"),
        *("\u0662026-01-31T09:30:00Z", f"2026-01-31T09:30:00.{'0' * 60}Z"),
    ],
)
def test_what_is_no_time_of_rfc_3339(wrong: str) -> None:
    assert timestamps.seconds(wrong) is None


@given(st.datetimes(), st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_times_are_those_of_pythons_own_calendar(local: datetime, east: int) -> None:
    sign = "-" if east < 0 else "+"
    said = f"{local.isoformat()}{sign}{abs(east) // 60:02}:{abs(east) % 60:02}"
    expected = (local.replace(microsecond=0) - datetime(1970, 1, 1)) // timedelta(seconds=1) - east * 60
    assert timestamps.seconds(said) == expected


def test_dates_and_times_of_python_are_written_in_utc() -> None:
    assert timestamps.text_of(date(2026, 1, 31)) == "2026-01-31T00:00:00Z"
    assert timestamps.text_of(datetime(2026, 1, 31, 9, 30, 0, 5)) == "2026-01-31T09:30:00Z"
    berlin = timezone(timedelta(hours=1))
    assert timestamps.text_of(datetime(2026, 1, 31, 9, 30, tzinfo=berlin)) == "2026-01-31T08:30:00Z"


def test_cycles() -> None:
    """The day, the week from Monday on, and the year; what is missing is zero everywhere and says so."""
    encoder = fit([FeatureSpec("at", "Timestamp", optional=True)], {"at": np.array([], dtype=object)})
    said = ["2026-01-05T00:00:00Z", "2026-01-05T06:00:00Z", "2026-01-05T09:00:00+03:00", "2026-01-08T12:00:00Z", ""]
    monday, six, moscow, thursday, missing = encoder.encode({"at": np.array(said, dtype=object)})
    assert monday[1:5].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert six[1:3].tolist() == pytest.approx([1.0, 0.0])
    assert np.array_equal(six, moscow)
    assert thursday[4] == -1.0, "noon on Thursday is the middle of the week"
    assert missing.tolist() == [0.0] * timestamps.WIDTH + [1.0]


def test_drift_of_a_text_is_told_from_its_length_and_its_unknown_words() -> None:
    """And of a time from the hour of the day alone, since dates move on by themselves."""
    random = np.random.default_rng(1)
    specs = [FeatureSpec("comment", "Text"), FeatureSpec("at", "Timestamp")]
    old = [f"word{n}" for n in range(50)]

    def rows(words: list[str], day: int, hour: int, count: int = 2000) -> dict[str, np.ndarray]:
        said = [" ".join(random.choice(words, random.integers(3, 9))) for _ in range(count)]
        when = [f"2026-01-{day:02}T{(hour + n % 4) % 24:02}:00:00Z" for n in range(count)]
        return {"comment": np.array(said, dtype=object), "at": np.array(when, dtype=object)}

    train = rows(old, 1, 9)
    encoder = fit(specs, train)
    stored = baseline.build(specs, train, np.array(["a"] * 2000), classes=("a",), known=encoder.known_words)
    assert "word" not in json.dumps(stored["features"][0]["bins"])
    inside = Baseline.from_document(stored, encoder.known_words)
    hidden = baseline.build(
        specs, train, np.array(["a"] * 2000), classes=("a",), known=encoder.known_words, sensitive=("comment", "at")
    )
    shown = baseline.public(hidden, None)
    outside = Baseline.from_document(shown)
    assert outside.bins["comment"].edges == (0.0, 1.0, 2.0), "no length of a sensitive text is told"
    assert len(inside.bins["comment"].names) == inside.bins["comment"].size == 4 * 3 + 1

    def verdict(columns: dict[str, np.ndarray]) -> drift.DriftVerdict:
        counts = {name: tuple(inside.bins[name].count(column).tolist()) for name, column in columns.items()}
        window = Bucket(0, 10, 1, "sha256:a", requests=200, rows=len(columns["at"]), features=counts)
        return drift.verdict(window, outside, 0.2, 500, 100)

    assert verdict(rows(old, 28, 9)).state == "Stable"
    assert verdict(rows([*old, *(f"new{n}" for n in range(50))], 1, 9)).worst == "comment"
    assert verdict(rows(old, 1, 15)).worst == "at"
    assert all(verdict(one).state == "Drifted" for one in (rows(["novel"], 1, 9), rows(old, 1, 20)))
