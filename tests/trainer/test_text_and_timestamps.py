"""Texts and times from the data to a version: trained, proved equal in every engine and in the SavedModel itself."""

from __future__ import annotations

import copy
import io
import json
import random
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from examples.feedback.make_data import rows
from ropewalk_model import features, manifest, operations, text, timestamps
from ropewalk_model.features import Encoder, FeatureSpec
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.publishing import savedmodel
from ropewalk_trainer.tf_encoding import timestamp
from ropewalk_trainer.training.trained_model import ROWS_AT_ONCE
from tests.trainer.support import Pod, Result, example
from tests.trainer.versions import check_version

CHARACTERS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def lines(found: list[dict[str, Any]]) -> str:
    """As JSONLines."""
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in found)


def feedback(pod: Pod, found: list[dict[str, Any]], **changes: Any) -> Result:
    """A run of the example, few epochs, on these rows."""
    pod.write("feedback/feedback.jsonl", lines(found))
    spec = copy.deepcopy(example("feedback")) | changes
    spec["train"]["hyperparameters"] = [{"name": "epochs", "value": "6"}, {"name": "embedding", "value": "8"}]
    return pod.run(spec)


def test_feedback_of_customers(pod: Pod) -> None:
    result = feedback(pod, list(rows()))
    assert result.code == 0, result.message
    assert float(result.message["metrics"]["accuracy"]) > 0.93
    version = result.candidate()
    check_version(version)
    baseline = version.read_json(manifest.BASELINE)["features"]
    comments, times = baseline[0], baseline[2]
    assert sum(comments["counts"]) == sum(result.message["rows"][part] for part in ("evaluate", "test"))
    assert comments["bins"]["sensitive"]
    assert sum(times["counts"]) == result.message["rows"]["train"]
    statistics = json.loads((result.directory / "statistics.json").read_text())["features"]
    assert 20 < statistics["comment"]["meanLength"] < 200
    assert statistics["sent"]["first"].startswith("2026-01-01")
    assert "top" not in statistics["comment"]


def test_a_saved_model_of_words_only_computes(pod: Pod) -> None:
    """No operation that the server's image with TensorFlow would refuse."""
    directory = feedback(pod, list(rows(300)), evaluate={}).candidate().directory
    saved = SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    assert operations.forbidden(saved) is None


def test_a_champion_of_words_is_compared_with_on_the_same_rows(pod: Pod) -> None:
    """It reads them with its own vocabulary, and as many at once as fit into memory."""
    metric = {"name": "accuracy", "maxRegression": "0.05"}
    first = feedback(pod, list(rows(300)), evaluate={})
    champion = pod.promote(first, 1)
    pod.write("feedback/feedback.jsonl", lines(list(rows(9000, seed=8))))
    spec = copy.deepcopy(example("feedback")) | {"evaluate": {"metrics": [metric]}}
    result = pod.run(spec, run=2, champion=champion)
    assert (result.code, result.message["blessing"]) == (0, "Blessed"), result.message
    assert result.message["rows"]["test"] > ROWS_AT_ONCE


def test_times_of_every_kind_of_file(pod: Pod) -> None:
    """Parquet's own times and dates are taken as UTC, a CSV's space is put right."""
    found = pd.DataFrame(rows(400))
    found["comment"] = found["comment"].fillna("")
    found["day"] = [datetime.fromisoformat(one).date() for one in found["sent"]]
    found["sent"] = pd.to_datetime(found["sent"]) + pd.Timedelta(7, "ns")
    out = io.BytesIO()
    found.to_parquet(out)
    pod.write("feedback/a.parquet", out.getvalue())
    spec = copy.deepcopy(example("feedback")) | {"evaluate": {}}
    spec["source"] |= {"uri": "pvc://data/feedback/*.parquet", "format": "Parquet"}
    spec["schema"]["features"].append({"name": "day", "type": "Timestamp"})
    spec["train"]["hyperparameters"] = [{"name": "epochs", "value": "1"}]
    result = pod.run(spec)
    assert result.code == 0, result.message
    means = {one["name"]: one.get("mean") for one in result.candidate().read_json(manifest.FEATURES)["features"]}
    assert abs(means["sent"] - means["day"]) < timestamps.DAY
    assert abs(means["sent"] - datetime(2026, 2, 15, tzinfo=UTC).timestamp()) < 10 * timestamps.DAY
    found.drop(columns="day").to_csv(pod.root / "claims/data/feedback/a.csv", index=False)
    spec["source"] |= {"uri": "pvc://data/feedback/*.csv", "format": "CSV"}
    spec["schema"]["features"].pop()
    assert pod.run(spec, run=2).candidate().read_json(manifest.FEATURES)["features"][2]["mean"] == pytest.approx(
        means["sent"], rel=1e-3
    )


@pytest.mark.parametrize(("sensitive", "told"), [(False, "31.01.2026"), (True, None)])
def test_what_is_no_time_is_an_anomaly_that_names_it(pod: Pod, sensitive: bool, told: str | None) -> None:
    found = [{**row, "sent": "31.01.2026" if n % 10 == 0 else row["sent"]} for n, row in enumerate(rows(300))]
    schema = copy.deepcopy(example("feedback")["schema"])
    schema["features"][2]["sensitive"] = sensitive
    result = feedback(pod, found, schema=schema)
    assert (result.code, result.reason) == (65, "WrongType")
    [anomaly] = result.message["anomalies"]
    assert (anomaly["feature"], anomaly["count"], anomaly.get("example")) == ("sent", 30, told)


def test_what_is_missing(pod: Pod) -> None:
    """An optional comment may be; a required one and a required time may not."""
    found = [{**row, "sent": None if n % 10 == 0 else row["sent"]} for n, row in enumerate(rows(300))]
    result = feedback(pod, found)
    assert (result.code, result.reason) == (65, "MissingValues")
    assert [one["feature"] for one in result.message["anomalies"]] == ["sent"]


def test_texts_without_a_word_that_stands_twice_train_all_the_same(pod: Pod) -> None:
    """Nothing is learnt from them, and the other features are as good as ever."""
    found = [{**row, "comment": f"only{n}"} for n, row in enumerate(rows(300))]
    result = feedback(pod, found, evaluate={})
    assert result.code == 0, result.message
    check_version(result.candidate())


def agree(specs: list[FeatureSpec], learnt: dict[str, list[str]], asked: dict[str, list[Any]]) -> None:
    """Both encodings of these columns, learnt from those, are the same to the last bit."""
    arrays = [{n: np.array([*c, None], dtype=object)[:-1] for n, c in one.items()} for one in (learnt, asked)]
    encoder = features.fit(specs, arrays[0])
    assert np.array_equal(encode(encoder, asked), encoder.encode(arrays[1]))


def encode(encoder: Encoder, columns: dict[str, list[Any]]) -> Any:
    """TensorFlow's encoding."""
    tf = lazy_imports.tensorflow()
    tensors = {name: tf.constant(column, tf.string) for name, column in columns.items()}
    return savedmodel.encode(encoder, savedmodel.tables(encoder), tensors).numpy()


def test_tensorflow_finds_the_same_words_around_every_character() -> None:
    said = [f"A{one}b {one}" for one in CHARACTERS]
    spec = FeatureSpec("t", "Text", max_vocabulary=2_000_000, max_tokens=6)
    agree([spec], {"t": said}, {"t": said})


def test_tensorflow_reads_what_is_no_text_as_python_does() -> None:
    """A server refuses such bytes, and stock TensorFlow Serving does not."""
    chance = random.Random(3)
    odd = [b"", b"\xff", b"a\xe2\x82b", b"\xed\xa0\x80a", b"\xf4\x90\x80\x80a", b"a\x00b"]
    odd += [
        bytes(chance.choice(b"aB \x80\xa0\xe2\x82\xac\xf0\x9f\x98\xed\xff") for _ in range(20)) for _ in range(3000)
    ]
    read = np.array([one.decode(errors="replace") for one in odd], dtype=object)
    encoder = features.fit([FeatureSpec("t", "Text", max_tokens=20)], {"t": read})
    assert len(encoder.known_words["t"]) > 10  # type: ignore[arg-type]
    assert np.array_equal(encode(encoder, {"t": odd}), encoder.encode({"t": read}))


def test_tensorflow_stops_where_python_stops() -> None:
    most = text.MAX_CHARACTERS
    said = ["x " * 500, "x" * most + " y", "\u00e9" * (most - 1) + " y", "\u4e00" * most * 2, " " * most + "x"]
    agree([FeatureSpec("t", "Text", max_tokens=300)], {"t": said * 2}, {"t": said})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=40))
def test_tensorflow_reads_any_text_alike(said: list[str]) -> None:
    agree([FeatureSpec("t", "Text", optional=True, max_tokens=8)], {"t": said}, {"t": said})


def test_tensorflow_reads_times_alike_valid_or_not() -> None:
    chance = random.Random(5)
    said = ["", "x", timestamps.EXAMPLE, f"2026-01-31T09:30:00.{'0' * 60}Z"]
    for _ in range(20_000):
        year = chance.choice([chance.randrange(10_000), 0, 1, 1900, 2000, 2023, 2024])
        month, day, hour = chance.randrange(1, 14), chance.randrange(1, 33), chance.choice([23, chance.randrange(25)])
        minute, second = chance.choice([59, chance.randrange(61)]), chance.choice([60, chance.randrange(60)])
        clock = f"{chance.choice('TTTt ')}{hour:02}:{minute:02}:{second:02}{chance.choice(['', '', '.5', '.'])}"
        zone = chance.choice(["Z", "z", "+00:00", "-23:59", "+05:30", "+24:00", "", "+0530"])
        said.append(f"{year:04}-{month:02}-{day:02}{clock}{zone}")
    valid = [one for one in said if timestamps.seconds(one) is not None]
    assert 1000 < len(valid) < 19_000
    specs = [FeatureSpec("a", "Timestamp"), FeatureSpec("b", "Timestamp", optional=True)]
    agree(specs, {"a": valid, "b": valid}, {"a": said, "b": said})
    assert timestamp._seconds(lazy_imports.tensorflow(), ["1969-12-31T23:59:59Z"])[0].numpy().tolist() == [-1]
