"""Texts are counted some in each turn of the event loop, or a sample of them where that cannot wait."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ropewalk_model import baseline
from ropewalk_model.features import FeatureSpec
from ropewalk_server.app import process
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.types import Answered, Loaded, Times
from ropewalk_server.telemetry.buckets import FLUSH_TEXTS, RetiredVersion
from ropewalk_server.telemetry.deferred_text import MOST_AT_ONCE, MOST_BYTES, MOST_WAITING
from ropewalk_server.telemetry.recorder import Recorder


def texts() -> Answered:
    """A request of ten thousand rows for a version with two texts and a category."""
    features = [FeatureSpec("a", "Text"), FeatureSpec("b", "Text"), FeatureSpec("c", "Category", values=("x", "y"))]
    rows = 10_000
    columns = {"a": [f"{n} good" for n in range(rows)], "b": ["", "bad"] * (rows // 2), "c": ["x", "y"] * (rows // 2)}
    arrays = {name: np.array(values, dtype=object) for name, values in columns.items()}
    known = {"a": {"good"}, "b": {"bad"}}
    document = baseline.build(features, arrays, np.zeros(9, np.float32), known=known)
    model: Any = RetiredVersion("sha256:1", "sha256:2", (), baseline.Baseline.from_document(document, known))
    batch, core = Batch(rows, tuple(arrays), columns=arrays), np.zeros((rows, 1), np.float32)
    return Answered(Loaded(1, model), Times(0.0, 0.0, 0.0, 0.0), 0.0, batch, core, rows)


def test_texts_are_counted_some_in_each_turn() -> None:
    """All of them, and as they are counted at once: ten thousand rows of two long ones took 0.2 s."""
    request = texts()
    turns: list[Any] = []
    monitor, whole = Recorder(lambda: 30.0, later=turns.append), Recorder(lambda: 30.0)
    for one in (monitor, whole):
        one.answered(request)
    counter = monitor._open[1].counter
    assert monitor._texts is not None
    assert (counter.rows, monitor._texts.texts, len(turns)) == (0, 20_000, 1)
    while turns:
        before = counter.rows
        turns.pop()()
        assert counter.rows - before <= FLUSH_TEXTS // 2
    assert monitor.totals[1].sampled_out == monitor._texts.texts == 0
    found, wanted = (one.counted(1, one.totals[1]) for one in (monitor, whole))
    assert found.rows == wanted.rows == {"counted": 10_000, "sampled_out": 0, "dropped": 0}
    for name, (_, counts) in wanted.features.items():
        assert found.features[name][1].tolist() == counts.tolist()
    assert found.predictions[1].tolist() == wanted.predictions[1].tolist()
    for _ in range(300):  # small ones share a turn
        monitor._keep(monitor._open[1], request.batch.part(7, 8), request.core[7:8])
    assert len(turns) == 1
    for _ in range(5):
        turns.pop()()
    assert (turns, monitor._texts.texts) == ([], 0)


@pytest.mark.parametrize("why", ["asked", "closed", "many", "large"])
def test_of_texts_that_cannot_wait_a_sample_is_counted(why: str) -> None:
    """Evenly, of all that wait, and it is told."""
    request = texts()
    monitor = Recorder(lambda: 30.0, later=lambda turn: None)
    monitor.answered(request)
    totals = monitor.totals[1]
    if why == "many":
        for _ in range(MOST_WAITING // 20_000):
            monitor._keep(monitor._open[1], request.batch, request.core)
            totals.rows += 10_000
    elif why == "closed":
        monitor.finish()
    elif why == "large":  # one row's text, and a picture beside it that waits with it
        assert monitor._texts is not None
        large = {**request.batch.columns, "picture": np.zeros((10_000, MOST_BYTES // 10_000), np.uint8)}
        monitor._keep(monitor._open[1], Batch(10_000, tuple(large), columns=large), request.core)
        totals.rows += 10_000
        assert monitor._texts.texts == 0
    found = monitor.counted(1, totals)
    assert monitor._texts is not None
    assert monitor._texts.nbytes == 0
    assert monitor._texts.texts == 0
    assert 0.4 * MOST_AT_ONCE < 2 * found.rows["counted"] <= 1.1 * MOST_AT_ONCE
    assert sum(found.rows.values()) == totals.rows
    for name, (_, counts) in found.features.items():
        assert sum(counts) == found.rows["counted"], name


async def test_a_server_counts_texts_in_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of its own event loop."""
    monkeypatch.setenv("ROPEWALK_ROOT", str(tmp_path))
    monitor = process.Server("churn", "pod").predictor.observer
    request = texts()
    monitor.answered(request)
    counter = monitor._open[1].counter
    assert counter.rows == 0
    await asyncio.sleep(0)
    assert 0 < counter.rows < 10_000


def test_what_fails_to_be_counted_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is counted in the next turns."""
    request = texts()
    turns: list[Any] = []
    monitor = Recorder(lambda: 30.0, later=turns.append)
    monitor.answered(request)
    bucket = monitor._open[1]
    with monkeypatch.context() as broken:
        broken.setattr(bucket, "keep", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            turns.pop()()
    while turns:
        turns.pop()()
    bucket.flush()
    assert bucket.counter.rows == 10_000 - FLUSH_TEXTS // 2
