"""The metrics of GET /metrics: base units, additive over pods, labels bounded by the versions and bins of this pod.

What is loaded has all its series from the first scrape on, at zero, since a rate does not see a series' first value.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.telemetry.buckets import LAG_EDGES, LATENCY_EDGES, ROW_EDGES, Totals
from ropewalk_server.telemetry.exposition import Family
from ropewalk_server.telemetry.recorder import Recorder
from ropewalk_server.telemetry.stage_timing import EVERY, STAGE_EDGES

PREFIX = "ropewalk_server_"
MOST_FEATURES = 50
"""Of a version, in its order, that are exported by their bins: they are most of the series, and a scrape is rendered in
the event loop. The operator judges all of them, from /windows."""


def render(predictor: Predictor, recorder: Recorder, *, ready: bool) -> bytes:
    """The document, in Prometheus' text format."""
    families = [
        *_process(predictor, recorder, ready),
        *_models(predictor),
        *_answers(predictor, recorder),
        *_histograms(predictor, recorder),
    ]
    return "".join(family.text for family in families).encode()


def _process(predictor: Predictor, recorder: Recorder, ready: bool) -> list[Family]:
    model = {"model": predictor.name}
    families = [
        (Family(PREFIX + "ready", "gauge", "1 while predictions are answered."), int(ready)),
        (
            Family(PREFIX + "live_version", "gauge", "The version that answers where none is named; 0: none."),
            predictor.versions.live or 0,
        ),
        (
            Family(PREFIX + "requests_in_flight", "gauge", "Requests that wait or are computed off the event loop."),
            predictor.in_flight,
        ),
        (Family(PREFIX + "queue_depth", "gauge", "Requests that no thread has taken yet."), predictor.waiting),
        (
            Family(PREFIX + "feedback_rejected_total", "counter", "Labels with an unknown id or class."),
            recorder.feedback_rejected,
        ),
    ]
    for family, value in families:
        family.add(model, value)
    rejected = Family(PREFIX + "rejected_total", "counter", "Requests that a limit or a missing token turned away.")
    for reason, count in sorted(predictor.rejected.items()):
        rejected.add({**model, "reason": reason}, count)
    return [*(family for family, _ in families), rejected]


def _models(predictor: Predictor) -> list[Family]:
    info = Family(PREFIX + "model_info", "gauge", "1 for every version that is loaded, with its digest and engine.")
    loaded = Family(PREFIX + "model_load_timestamp_seconds", "gauge", "When the version was loaded, since the epoch.")
    loads = Family(PREFIX + "model_loads_total", "counter", "Versions tried, by what came of it.")
    model = {"model": predictor.name}
    for version, held in sorted(predictor.versions.held.items()):
        if held.model is not None:
            names = {"digest": held.model.digest, "engine": held.model.engine_name}
            info.add({**model, "version": version, **names}, 1)
            loaded.add({**model, "version": version}, held.loaded_at)
    for result, count in predictor.versions.loads.items():
        loads.add({**model, "result": result}, count)
    return [info, loaded, loads]


def _totals(predictor: Predictor, recorder: Recorder) -> Iterator[tuple[int, Totals]]:
    """Of each version that is loaded or has answered here."""
    totals = recorder.totals
    held = predictor.versions.held
    for version in sorted({*totals, *(number for number, one in held.items() if one.model is not None)}):
        model = held[version].model if version in held else None
        if version in totals:
            yield version, totals[version]
        elif model is not None:
            yield version, Totals.of(model)


def _answers(predictor: Predictor, recorder: Recorder) -> list[Family]:
    requests = Family(PREFIX + "requests_total", "counter", "Requests for predictions, by protocol and HTTP status.")
    request_rows = Family(PREFIX + "request_rows", "histogram", "Rows of an answered request.")
    batch_rows = Family(PREFIX + "batch_rows", "histogram", "Rows of an engine's computation, for one request or more.")
    computed = Family(PREFIX + "inference_rows_total", "counter", "Rows that engines computed.")
    computations = Family(PREFIX + "inference_batches_total", "counter", "Computations of engines.")
    labels = Family(
        PREFIX + "labelled_rows_total", "counter", "Labels that came as feedback, and whether the answer was right."
    )
    lag = Family(PREFIX + "label_lag_seconds", "histogram", "From a prediction to its label.")
    seconds = Family(
        PREFIX + "request_duration_seconds", "histogram", "From a request's last byte to its answer, errors included."
    )
    stages = Family(
        PREFIX + "stage_duration_seconds",
        "histogram",
        f"Parts of answered requests: decode, queue, infer, encode. Measured for one request of {EVERY}.",
    )
    recorder.settle()
    for version, totals in _totals(predictor, recorder):
        own = {"model": predictor.name, "version": version}
        for protocol, codes in totals.codes.items():
            for code, count in sorted(codes.items()):
                requests.add({**own, "protocol": protocol, "code": code}, count)
        request_rows.add_histogram(own, ROW_EDGES, totals.request_rows, totals.rows)
        batch_rows.add_histogram(own, ROW_EDGES, totals.batch_rows, totals.computed)
        computed.add(own, totals.computed)
        computations.add(own, sum(totals.batch_rows))
        labels.add({**own, "correct": "true"}, totals.labels_correct)
        labels.add({**own, "correct": "false"}, totals.labels - totals.labels_correct)
        lag.add_histogram(own, LAG_EDGES, totals.label_lag, totals.label_lag_sum)
        seconds.add_histogram(own, LATENCY_EDGES, totals.latency, totals.latency_sum)
        for stage, counts in totals.stages.counts.items():
            stages.add_histogram({**own, "stage": stage}, STAGE_EDGES, counts, totals.stages.sums[stage])
    return [requests, request_rows, batch_rows, computed, computations, labels, lag, seconds, stages]


def _histograms(predictor: Predictor, recorder: Recorder) -> list[Family]:
    """Rows in the bins of the baseline; `bin` is a range, a category, "(other)" or "(missing)", and of sensitive
    features a number."""
    features = Family(
        PREFIX + "feature_bin_rows_total",
        "counter",
        f"Rows counted, by feature and bin of the baseline; of a version's first {MOST_FEATURES} features.",
    )
    left_out = Family(PREFIX + "features_left_out", "gauge", f"Features beyond the first {MOST_FEATURES}.")
    predictions = Family(PREFIX + "prediction_bin_rows_total", "counter", "Rows counted, by predicted class or range.")
    monitored = Family(
        PREFIX + "monitor_rows_total", "counter", "Rows by whether the histograms have them: sampled_out under load."
    )
    for version, totals in _totals(predictor, recorder):
        counted = recorder.counted(version, totals)
        own = {"model": predictor.name, "version": version}
        left_out.add(own, max(0, len(counted.features) - MOST_FEATURES))
        for name, (names, counts) in islice(counted.features.items(), MOST_FEATURES):
            features.add_each({**own, "feature": name}, "bin", names, counts.tolist())
        names, counts = counted.predictions
        predictions.add_each(own, "bin", names, counts.tolist())
        for outcome, count in counted.rows.items():
            monitored.add({**own, "outcome": outcome}, count)
    return [features, left_out, predictions, monitored]
