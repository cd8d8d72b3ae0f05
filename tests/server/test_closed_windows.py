"""What a server holds for the operator and what one answer takes are bounded, whatever the model."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ropewalk_model import baseline, windows
from ropewalk_model.features import FeatureSpec
from ropewalk_server.app.process import LINGER_SECONDS
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.types import Answered, Loaded, Times
from ropewalk_server.telemetry.buckets import FLUSH_BYTES, OpenBucket, RetiredVersion
from ropewalk_server.telemetry.closed_windows import HELD_BYTES, PAGE_BYTES, ClosedWindows
from ropewalk_server.telemetry.recorder import LARGE, MAX_FORMER, READ_LATELY, Recorder
from tests.server.conftest import Published, Server, row


def page(closed: ClosedWindows, since: int = 0) -> windows.Page:
    """What the operator reads; `through` is now where the next bucket would begin."""
    body = closed.page(since, 10**9, 60)
    assert len(body) < PAGE_BYTES + (1 << 20)
    return windows.parse(json.loads(body))


def bucket(start: int, features: int, version: int = 1) -> dict[str, Any]:
    """A bucket of a minute of a model of many features."""
    counts = {f"feature_{n}": (100,) * 13 for n in range(features)}
    return windows.Bucket(start, 60, version, "sha256:1", 9, 0, 1300, features=counts).document()


def test_only_what_is_new_is_sent() -> None:
    """From a point in time on; all without one."""
    closed = ClosedWindows()
    for start in (0, 60, 120):
        closed.add(start, bucket(start, 3))
    assert [one.start for one in page(closed).buckets] == [0, 60, 120]
    found = page(closed, 60)
    assert [one.start for one in found.buckets] == [60, 120]
    assert (found.through, found.more, found.lost_before) == (10**9, False, 0)


def test_what_does_not_fit_into_one_answer_comes_with_the_next() -> None:
    """Each complete up to its `through`, where the next begins: nothing is missed and nothing comes twice."""
    closed = ClosedWindows()
    for start in range(0, 6000, 60):
        closed.add(start, bucket(start, 200))
        closed.add(start, bucket(start, 200, version=2))
    seen: list[tuple[int, int]] = []
    since, more, pages = 0, True, 0
    while more:
        found = page(closed, since)
        seen += [(one.start, one.version) for one in found.buckets]
        since, more, pages = found.through, found.more, pages + 1
    assert seen == [(start, version) for start in range(0, 6000, 60) for version in (1, 2)]
    assert pages > 2


def test_the_oldest_goes_where_room_is_short_and_that_is_said() -> None:
    """A week nobody asked for, and a bucket that no answer could hold."""
    closed = ClosedWindows()
    for start in range(0, 7 * 86400, 600):
        closed.add(start, bucket(start, 200))
    held, since = [], 0
    while True:
        found = page(closed, since)
        held += found.buckets
        since = found.through
        if not found.more:
            break
    assert held[-1].start == 7 * 86400 - 600
    assert 100 < len(held) < 1000
    assert held[0].start - 600 < found.lost_before <= held[0].start
    assert sum(len(json.dumps(one.document(), separators=(",", ":"))) for one in held) <= HELD_BYTES
    closed = ClosedWindows()
    closed.add(60, bucket(60, 50_000))
    assert (page(closed).buckets, page(closed).lost_before) == ((), 61)


def test_a_bucket_of_a_thousand_classes_is_as_long_as_its_labels() -> None:
    """No square of the classes, in memory or on the wire; what counted nothing is left out."""
    names = tuple(f"class {n}" for n in range(1000))
    train = {"x": np.arange(1000, dtype=np.float32)}
    document = baseline.build([FeatureSpec("x", "Number")], train, np.array(names, dtype=object), classes=names)
    counted = RetiredVersion("sha256:1", "sha256:2", names, baseline.Baseline.from_document(document))
    filled = OpenBucket(0, 1, counted)
    assert len(json.dumps(filled.document(60))) < 300
    for _ in range(50):
        filled.label(predicted=7, truth=999)
    filled.label(predicted=7, truth=7)
    found = filled.document(60)
    assert found["labels"] == {"count": 51, "correct": 1, "classes": [[7, 1, 51, 1], [999, 50, 0, 0]]}
    assert len(json.dumps(found)) < 400


def test_the_server_answers_from_a_point_in_time(serving: Server) -> None:
    """And says what it understands where it is asked for something else."""
    assert serving.predict(row())[0] == 200
    serving.until(lambda: bool(serving.get("/windows", monitoring=True)[1]["buckets"]))
    found = serving.get("/windows", monitoring=True)[1]
    assert serving.get("/windows?since=0", monitoring=True)[1]["buckets"][0] == found["buckets"][0]
    assert serving.get(f"/windows?since={found['buckets'][-1]['start'] + 1}", monitoring=True)[1]["buckets"] == []
    assert found["through"] > found["buckets"][-1]["start"]
    status, answer, _ = serving.get("/windows?since=yesterday", monitoring=True)
    assert (status, "since=" in answer["error"]) == (400, True)


def counting(server: Server, published: Published) -> Server:
    """A server that has answered a request in a bucket of ten minutes, which is still open."""
    server.tell(1, published[1][:1], bucketSeconds=600)
    server.start()
    server.until(lambda: server.get("/readyz", monitoring=True)[0] == 200)
    assert server.predict(row())[0] == 200
    return server


def test_a_server_that_ends_waits_until_its_last_counts_are_kept(server: Server, published: Published) -> None:
    """The bucket that was open is told; that it was written down is known when somebody asks for what came after."""
    counting(server, published)
    assert server.get("/windows?since=0", monitoring=True)[1]["buckets"] == []
    server.terminate()
    server.until(lambda: bool(server.get("/windows?since=0", monitoring=True)[1]["buckets"]))
    found = server.get("/windows?since=0", monitoring=True)[1]
    assert [one["requests"] for one in found["buckets"]] == [1]
    assert found["through"] == found["buckets"][0]["start"] + 600
    assert server.get("/readyz", monitoring=True)[0] == 503
    assert server.get(f"/windows?since={found['through']}", monitoring=True)[0] == 200
    began = time.monotonic()
    assert server.ended() == 0
    assert time.monotonic() - began < LINGER_SECONDS / 2


@pytest.mark.parametrize("path", ["/windows", "/windows?since=0"])
def test_a_server_whose_counts_nobody_keeps_ends(server: Server, published: Published, path: str) -> None:
    """At once where nobody says what they have; after a few seconds where the reader is gone."""
    counting(server, published)
    assert server.get(path, monitoring=True)[0] == 200
    began = time.monotonic()
    assert server.stop() == 0
    took = time.monotonic() - began
    assert took < 2 * LINGER_SECONDS
    assert (took > LINGER_SECONDS) == (path != "/windows")


def test_who_asked_long_ago_is_not_waited_for() -> None:
    """An operator asks once a minute."""
    now = 30.0
    monitor = Recorder(clock=lambda: now)
    monitor.labelled(1, bin_source(1), predicted=0, truth=0, lag=5.0)
    assert not monitor.unread
    monitor.windows(since=0)
    monitor.finish()
    assert monitor.unread
    now += READ_LATELY
    assert not monitor.unread


def test_rows_kept_aside_are_counted_before_they_take_much() -> None:
    """Large rows long before there are a thousand of them; of rows without bins only the answers are kept."""
    features = [FeatureSpec("pixels", "Image", shape=(224, 224, 3))]
    pixels = np.zeros((8, 224, 224, 3), dtype=np.uint8)
    document = baseline.build(features, {"pixels": pixels}, np.array(["a"] * 8, dtype=object), classes=("a", "b"))
    wide = RetiredVersion("sha256:1", "sha256:2", ("a", "b"), baseline.Baseline.from_document(document))
    found = OpenBucket(0, 1, wide)
    answers = np.tile(np.array([0.9, 0.1], dtype=np.float32), (8, 1))
    for _ in range(10):
        found.keep(Batch(8, ("pixels",), columns={"pixels": pixels}), answers)
        assert found.pending_bytes < FLUSH_BYTES
    assert found.counter.rows + found.pending_rows == 80
    plain = OpenBucket(0, 1, replace(wide, baseline=replace(wide.baseline, bins={})))
    plain.keep(Batch(8, ("pixels",), columns={"pixels": pixels}), answers)
    assert (plain.pending, plain.pending_rows) == ([], 8)
    plain.flush()
    assert (plain.counter.rows, plain.predictions[0]) == (8, 8)


def test_long_texts_are_not_kept_aside() -> None:
    """Sixteen megabytes each, where a sign takes four bytes: a thousand of them were a minute's."""
    words = np.array(["a", "b"], dtype=object)
    document = baseline.build([FeatureSpec("plan", "Category", values=("a", "b"))], {"plan": words}, np.zeros(2))
    model: Any = RetiredVersion("sha256:1", "sha256:2", (), baseline.Baseline.from_document(document))
    monitor, times = Recorder(clock=lambda: 30.0), Times(0.0, 0.0, 0.0, 0.0)
    for text in ("a", "x" * 100_000 + "\U0001f600", "x" * (1 << 20)):
        batch = Batch(1, ("plan",), columns={"plan": np.array([text], dtype=object)})
        monitor.answered(Answered(Loaded(1, model), times, 0.0, batch, np.zeros((1, 1), np.float32), 1))
        assert sum(one.batch.nbytes for one in monitor._waiting) < LARGE
    assert monitor._open[1].pending == []
    assert monitor.totals[1].rows == 3


def test_labels_for_former_versions_share_the_minute_s_bucket() -> None:
    """However many come, and whatever answers meanwhile: one bucket a version and minute."""
    monitor = Recorder(clock=lambda: 30.0)
    for number in range(1, 8):  # two more than are remembered, all in one minute
        monitor.labelled(number, bin_source(number), predicted=0, truth=0, lag=5.0)
    for number in range(1, 8):
        for _ in range(20):
            monitor.labelled(number, bin_source(number), predicted=0, truth=0, lag=5.0)
    monitor._ends = 0.0
    monitor.tick()
    found = page(monitor.closed).buckets
    assert sorted((one.version, one.label_count) for one in found) == [(number, 21) for number in range(1, 8)]
    monitor.labelled(8, bin_source(8), predicted=0, truth=0, lag=5.0)
    assert len(monitor.former) == len(monitor.totals) == MAX_FORMER


def bin_source(number: int) -> RetiredVersion:
    """What is known of a version that was let go."""
    classes = np.array(["a", "b"], dtype=object)
    features = [FeatureSpec("x", "Number")]
    document = baseline.build(features, {"x": np.zeros(2, dtype=np.float32)}, classes, classes=("a", "b"))
    return RetiredVersion(f"sha256:{number}", f"sha256:{number}", ("a", "b"), baseline.Baseline.from_document(document))
