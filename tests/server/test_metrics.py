"""What the server says of itself on /metrics, against the requests that were really sent."""

from __future__ import annotations

import json
import math
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.grpc import service_pb2

from ropewalk_model import baseline, manifest
from ropewalk_model.features import FeatureSpec
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.crashmarks import CrashMarks
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import GRPC_OIP, GRPC_TFS, PROTOCOLS, REST_V1, REST_V2, Answered, Loaded, Times
from ropewalk_server.telemetry.buckets import RetiredVersion
from ropewalk_server.telemetry.exposition import Family
from ropewalk_server.telemetry.prometheus import MOST_FEATURES, render
from ropewalk_server.telemetry.receipts import Receipts
from ropewalk_server.telemetry.recorder import Recorder
from ropewalk_server.telemetry.stage_timing import EVERY, STAGES
from tests.server.apps import Versions
from tests.server.conftest import Published, Server, row
from tests.server.grpc_clients import connected, request
from tests.server.openinference import ROW
from tests.server.zoo import MIXED, NUMBERS

Samples = dict[str, list[tuple[dict[str, str], float]]]


def scrape(server: Server) -> Samples:
    """Samples by name, read by Prometheus' own parser; fails on a series that is there twice."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports[1]}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: Samples = {}
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.documentation, family.name
        assert family.type != "unknown", family.name
        for sample in family.samples:
            found.setdefault(sample.name.removeprefix("ropewalk_server_"), []).append((sample.labels, sample.value))
    for name, samples in found.items():
        assert len({tuple(sorted(labels.items())) for labels, _ in samples}) == len(samples), name
    return found


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of a name's samples that have these labels."""
    return sum(value for own, value in samples.get(name, []) if labels.items() <= own.items())


def test_counts_are_those_of_the_requests_sent(serving: Server) -> None:
    """Requests by status, rows, histograms of latency, features and predictions all tell the same story."""
    before = scrape(serving)
    for _ in range(EVERY):
        assert serving.predict(row(), row(mean_radius=1e6))[0] == 200
    assert serving.predict({"mean_radius": "many"})[0] == 400
    after = scrape(serving)

    def more(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert (more("requests_total", code="200"), more("requests_total", code="400")) == (EVERY, 1)
    assert more("requests_total", protocol="rest_v1") == more("request_duration_seconds_count") == EVERY + 1
    assert more("inference_rows_total") == more("monitor_rows_total", outcome="counted") == 2 * EVERY
    for name in ("request_rows", "batch_rows"):
        assert (more(f"{name}_sum"), more(f"{name}_count")) == (2 * EVERY, EVERY)
        assert (more(f"{name}_bucket", le="1"), more(f"{name}_bucket", le="2")) == (0, EVERY)
    assert more("inference_batches_total") == EVERY
    bins_of = "feature_bin_rows_total"
    assert more(bins_of, feature="mean_radius") == more("prediction_bin_rows_total") == 2 * EVERY
    bins = {labels["bin"] for labels, _ in after[bins_of] if labels["feature"] == "mean_radius"}
    [over] = [one for one in bins if one.startswith(">")]
    assert more(bins_of, feature="mean_radius", bin=over) == EVERY
    assert more(bins_of, feature="mean_radius", bin="(missing)") == 0
    for stage in STAGES:
        assert more("stage_duration_seconds_count", stage=stage) == 1
        assert more("stage_duration_seconds_bucket", stage=stage, le="+Inf") == 1
    spent = sum(more("stage_duration_seconds_sum", stage=stage) for stage in STAGES)
    assert 0 < spent <= more("request_duration_seconds_sum")


def test_a_version_has_all_its_series_before_its_first_request(server: Server, published: Published) -> None:
    """At zero: the rate of a series that begins with its first count misses that one."""
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: server.status().get("live") == 1)
    before = scrape(server)
    for name in ("request_rows_count", "labelled_rows_total", "prediction_bin_rows_total", "feature_bin_rows_total"):
        assert {value for _, value in before[name]} == {0.0}, name
    assert {labels["protocol"] for labels, _ in before["requests_total"]} == set(PROTOCOLS)
    assert server.predict(row())[0] == 200
    assert server.post("/v2/models/cancer/infer", {"inputs": []})[0] == 400
    after = scrape(server)
    assert {name: len(samples) for name, samples in after.items()} == {n: len(s) for n, s in before.items()}
    assert total(after, "requests_total", protocol="rest_v2", code="400") == 1
    assert total(after, "requests_total") == 2
    assert server.post("/v1/models/cancer:classify", {"examples": [row()]})[0] == 400
    assert total(scrape(server), "requests_total", protocol="rest_v1", code="400") == 1, "a method it does not have"


def test_rows_of_requests_and_of_computations_are_told_apart() -> None:
    """Three requests, of which two were computed together with a third that was given up."""
    document = baseline.build([FeatureSpec("x", "Number")], {"x": np.zeros(9, np.float32)}, np.zeros(9, np.float32))
    model: Any = RetiredVersion("sha256:1", "sha256:2", (), baseline.Baseline.from_document(document))
    monitor, times = Recorder(), Times(0.0, 0.0, 0.0, 0.0)
    for rows, computed in ((1, 1), (2, 7), (3, 0)):
        batch = Batch(rows, ("x",), columns={"x": np.zeros(rows, np.float32)})
        monitor.answered(Answered(Loaded(1, model), times, 0.0, batch, np.zeros((rows, 1), np.float32), computed))
    monitor.settle()
    found = monitor.totals[1]
    assert (found.request_rows[:4], sum(found.request_rows), found.rows) == ([1, 1, 1, 0], 3, 6)
    assert (found.batch_rows[:4], sum(found.batch_rows), found.computed) == ([1, 0, 0, 1], 2, 8)


def test_two_clients_that_come_by_turns_are_sampled_alike() -> None:
    """Every second batch would be the same client's."""
    x = np.linspace(0, 1, 100, dtype=np.float32)
    document = baseline.build([FeatureSpec("x", "Number")], {"x": x}, np.zeros(9, np.float32))
    model: Any = RetiredVersion("sha256:1", "sha256:2", (), baseline.Baseline.from_document(document))
    monitor, times = Recorder(lambda: 30.0, rows_a_second=2_000_000), Times(0.0, 0.0, 0.0, 0.0)
    monitor._second, monitor._last_rows = 30, 3_000_000  # so that one of two is counted
    for turn in range(4000):
        batch = Batch(8, ("x",), matrix=np.full((8, 1), (0.05, 0.95)[turn % 2], np.float32))
        monitor.answered(Answered(Loaded(1, model), times, 0.0, batch, np.zeros((8, 1), np.float32), 8))
    monitor.settle()
    _, counts = monitor.counted(1, monitor.totals[1]).features["x"]
    one, other = sorted(counts.tolist())[-2:]
    assert one + other == monitor.totals[1].rows - monitor.totals[1].sampled_out
    assert one > 0.85 * other


def by_protocol(rows: int) -> dict[str, Callable[[Server], bool]]:
    """So many rows for NUMBERS in every protocol; each says whether it was answered."""
    values = np.ones(rows, np.float32)
    inputs = {"a": values, "b": values}
    infer = service_pb2.ModelInferRequest(model_name="cancer", model_version=str(NUMBERS))
    for name in inputs:
        infer.inputs.add(name=name, datatype="FP32", shape=[rows])
        infer.raw_input_contents.append(values.tobytes())
    tensors = [{"name": name, "datatype": "FP32", "shape": [rows], "data": [1.0] * rows} for name in inputs]

    def rest(path: str, body: Any) -> Callable[[Server], bool]:
        return lambda server: server.post(path, body)[0] == 200

    def grpc_call(path: str, message: Any) -> Callable[[Server], bool]:
        def call(server: Server) -> bool:
            with connected(server) as client:
                try:
                    return bool(client.raw(path)(message.SerializeToString(), timeout=10))
                except grpc.RpcError:
                    return False

        return call

    return {
        REST_V1: rest(f"/v1/models/cancer/versions/{NUMBERS}:predict", {"inputs": {n: [1.0] * rows for n in inputs}}),
        REST_V2: rest(f"/v2/models/cancer/versions/{NUMBERS}/infer", {"inputs": tensors}),
        GRPC_TFS: grpc_call("/tensorflow.serving.PredictionService/Predict", request(inputs, NUMBERS)),
        GRPC_OIP: grpc_call("/inference.GRPCInferenceService/ModelInfer", infer),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("rows", "code"), [(3, "200"), (10_001, "413")])
def test_every_protocol_counts_under_its_own_name(zoo: Server, protocol: str, rows: int, code: str) -> None:
    """What is answered and what has too many rows, and nothing under another's."""
    before = scrape(zoo)
    assert by_protocol(rows)[protocol](zoo) == (code == "200")
    after = scrape(zoo)
    for one in PROTOCOLS:
        grown = total(after, "requests_total", protocol=one) - total(before, "requests_total", protocol=one)
        assert grown == (one == protocol), one
    own = {"version": str(NUMBERS), "protocol": protocol, "code": code}
    assert total(after, "requests_total", **own) - total(before, "requests_total", **own) == 1
    refused = total(after, "rejected_total", reason="rows") - total(before, "rejected_total", reason="rows")
    assert refused == (code == "413")


def test_values_that_are_out_of_the_ordinary_are_counted_apart(zoo: Server) -> None:
    """null and NaN as missing, an unknown category as another one, a number beyond the baseline's as beyond; in the
    metrics and in the windows."""
    told = [
        {**ROW, "y": None},
        {**ROW, "y": math.nan},  # the token NaN
        {**ROW, "y": -1e6},
        {**ROW, "y": 1e6},
        {**ROW, "y": 1e6},
        {**ROW, "note": "never seen", "m": None},
        {**ROW, "note": None},
    ]
    expected = {"y": {"(missing)": 2, "<": 1, ">": 2}, "note": {"(missing)": 1, "(other)": 1}, "m": {"(missing)": 1}}
    document = json.loads((zoo.root / "claims/zoo" / str(MIXED) / manifest.BASELINE).read_text())
    bins = baseline.Baseline.from_document(document).bins

    def metrics() -> dict[str, Any]:
        """Counts by feature, in the order of its bins."""
        samples = scrape(zoo)["feature_bin_rows_total"]
        of_mixed = [(labels["feature"], value) for labels, value in samples if labels["version"] == str(MIXED)]
        return {name: np.array([value for feature, value in of_mixed if feature == name]) for name in expected}

    def windows(since: int) -> dict[str, Any]:
        """The same of the buckets that began then or later."""
        buckets = zoo.get(f"/windows?since={since}", monitoring=True)[1]["buckets"]
        of_mixed = [one["features"] for one in buckets if one["version"] == MIXED]
        return {name: sum((np.array(one[name]) for one in of_mixed), np.zeros(bins[name].size)) for name in expected}

    def apart(counts: dict[str, Any]) -> dict[str, dict[str, float]]:
        """What is in the bins that are expected."""
        named = {
            name: {label.split()[0]: n for label, n in zip(bins[name].names, counts[name], strict=True)}
            for name in expected
        }
        return {name: {label: named[name][label] for label in labels} for name, labels in expected.items()}

    before = metrics()
    since = (int(time.time()) // 2 + 1) * 2  # the buckets of these servers take two seconds
    zoo.until(lambda: time.time() >= since)
    status, answer, _ = zoo.post(f"/v1/models/cancer/versions/{MIXED}:predict", {"instances": told})
    assert status == 200, answer
    after = metrics()
    assert apart({name: after[name] - before[name] for name in expected}) == expected
    zoo.until(lambda: apart(windows(since)) == expected)


def of_numbers(features: int) -> Any:
    """All that counting needs of a model of so many Numbers, each in ten bins and three."""
    x = np.linspace(0, 1, 100, dtype=np.float32)
    specs = [FeatureSpec(f"x{number}", "Number", optional=True) for number in range(features)]
    document = baseline.build(specs, {one.name: x for one in specs}, np.zeros(9, np.float32))
    return RetiredVersion("sha256:1", "sha256:2", (), baseline.Baseline.from_document(document))


@pytest.mark.parametrize("rows", [1, 8, 500])
def test_shares_of_what_is_missing_or_out_of_range_are_those_of_all_rows(rows: int) -> None:
    """Also where one row of four is counted, alone, by the batch, or out of a large one."""
    monitor, times = Recorder(lambda: 30.0, rows_a_second=100_000_000), Times(0.0, 0.0, 0.0, 0.0)
    monitor._second, monitor._last_rows = 30, 300_000_000  # so that one of four is counted
    values = np.random.default_rng(5).choice(np.array([np.nan, 0.5, 7.0], np.float32), 40_000, p=[0.2, 0.7, 0.1])
    loaded = Loaded(1, of_numbers(1))
    for some in values.reshape(-1, rows, 1):
        answered = Answered(loaded, times, 0.0, Batch(rows, ("x0",), matrix=some), some, rows)
        monitor.answered(answered)
    monitor.settle()
    found = monitor.counted(1, monitor.totals[1])
    names, counts = found.features["x0"]
    assert found.rows["counted"] + found.rows["sampled_out"] == len(values)
    assert sum(counts) == found.rows["counted"] == pytest.approx(len(values) / 4, rel=0.1)
    share = dict(zip(names, counts / sum(counts), strict=True))
    assert (share["(missing)"], share["> 1"]) == (pytest.approx(0.2, abs=0.02), pytest.approx(0.1, abs=0.02))


def test_a_scrape_has_no_more_features_than_it_may(zoo: Server) -> None:
    """The first ones, and how many there are besides: series cost this process and Prometheus; windows have all."""
    monitor, features = Recorder(lambda: 30.0), MOST_FEATURES + 7
    predictor = Predictor(
        "cancer", Versions(pod="a", root=zoo.root, marks=CrashMarks(zoo.root)), monitor, Receipts(None)
    )
    names = tuple(f"x{number}" for number in range(features))
    rows = np.full((3, features), 0.5, np.float32)
    for version in (1, 2):
        loaded = Loaded(version, of_numbers(features if version == 1 else 3))
        batch = Batch(3, names, matrix=rows)
        monitor.answered(Answered(loaded, Times(0.0, 0.0, 0.0, 0.0), 0.0, batch, rows[:, :1], 3))
    samples: Samples = {}
    for family in text_string_to_metric_families(render(predictor, monitor, ready=True).decode()):
        for sample in family.samples:
            samples.setdefault(sample.name.removeprefix("ropewalk_server_"), []).append((sample.labels, sample.value))
    shown = {
        version: [labels["feature"] for labels, _ in samples["feature_bin_rows_total"] if labels["version"] == version]
        for version in "12"
    }
    assert list(dict.fromkeys(shown["1"])) == list(names[:MOST_FEATURES])
    assert list(dict.fromkeys(shown["2"])) == list(names[:3])
    assert total(samples, "features_left_out", version="1") == 7
    assert total(samples, "features_left_out", version="2") == 0
    monitor.finish()
    [bucket, _] = json.loads(monitor.windows())["buckets"]
    assert len(bucket["features"]) == features


def test_the_loaded_version_is_described(serving: Server) -> None:
    """One series a version with what it is; the live one is named."""
    samples = scrape(serving)
    [(labels, value)] = samples["model_info"]
    assert (labels["version"], value) == ("1", 1.0)
    assert labels["digest"].startswith("sha256:")
    assert labels["engine"]
    assert total(samples, "model_loads_total", result="proved") == 1
    assert total(samples, "model_loads_total", result="failed") == 0
    assert total(samples, "model_load_timestamp_seconds") > 1.7e9
    assert total(samples, "live_version") == total(samples, "ready") == 1
    assert total(samples, "queue_depth") == total(samples, "requests_in_flight") == 0


def test_values_of_a_sensitive_feature_are_named_nowhere(zoo: Server) -> None:
    """They are counted under numbers; those of other features under their names."""
    told = {"x": 0.5, "y": 0.5, "n": 1, "m": 1, "ok": True, "plan": "pro", "note": "a"}
    assert zoo.post("/v1/models/cancer:predict", {"instances": [told]})[0] == 200
    bins = {name: set[str]() for name in ("plan", "note")}
    for labels, _ in scrape(zoo)["feature_bin_rows_total"]:
        if labels["feature"] in bins:
            bins[labels["feature"]].add(labels["bin"])
    assert bins["plan"] == {"value 1", "value 2", "(other)", "(missing)"}
    assert bins["note"] == {"a", "b", "(other)", "(missing)"}
    zoo.until(lambda: bool(zoo.get("/windows", monitoring=True)[1]["buckets"]))
    for path in ("/baseline", "/windows", "/status"):
        said = str(zoo.get(path, monitoring=True)[1])
        assert "'free'" not in said
        assert "'pro'" not in said
    status, answer, _ = zoo.post("/v1/models/cancer:predict", {"instances": [{**told, "plan": 7}]})
    assert status == 400
    assert "free" not in answer["error"]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")))
def test_any_label_value_survives(text: str) -> None:
    """Features and categories are named by users: quotes, backslashes and line ends must not break the scrape."""
    family = Family("rows_total", "counter", "Rows.")
    family.add({"bin": text}, 3)
    [read] = text_string_to_metric_families(family.text)
    assert [(sample.labels, sample.value) for sample in read.samples] == [({"bin": text}, 3.0)]
    many, each = (Family("rows_total", "counter", "Rows.") for _ in range(2))
    many.add_each({"feature": text}, "bin", [text, "other"], [3, 0])
    for value, count in ((text, 3), ("other", 0)):
        each.add({"feature": text, "bin": value}, count)
    assert many.text == each.text


def test_a_histogram_is_cumulative() -> None:
    """Every bucket holds the smaller ones; the last one is the count."""
    family = Family("seconds", "histogram", "Time.")
    family.add_histogram({}, (0.1, 1.0), (2, 0, 3), 4.5)
    [read] = text_string_to_metric_families(family.text)
    values = {(sample.name, sample.labels.get("le", "")): sample.value for sample in read.samples}
    assert [values["seconds_bucket", le] for le in ("0.1", "1", "+Inf")] == [2.0, 2.0, 5.0]
    assert math.isclose(values["seconds_sum", ""], 4.5)
    assert values["seconds_count", ""] == 5.0
