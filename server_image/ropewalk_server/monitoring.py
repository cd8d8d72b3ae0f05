"""What the operator, kubelet and Prometheus read (port 8502): health, status, windows, baseline, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson

from ropewalk_server.http import TEXT, Request, Response
from ropewalk_server.monitor import LATENCY_EDGES
from ropewalk_server.predictor import Predictor

FORMAT_VERSION = 1
PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"


class Monitoring:
    """The handler of the monitoring port. It can change nothing."""

    def __init__(
        self, predictor: Predictor, pod: str, draining: Callable[[], bool], trouble: Callable[[], str]
    ) -> None:
        self._predictor = predictor
        self._pod = pod
        self._draining = draining
        self._trouble = trouble
        self._paths = {
            b"/healthz": self._health,
            b"/readyz": self._ready,
            b"/status": self._status,
            b"/windows": self._windows,
            b"/baseline": self._baseline,
            b"/metrics": self._metrics,
        }

    def handle(self, request: Request) -> Response:
        """GET one of the paths."""
        handler = self._paths.get(request.path)
        if handler is None:
            known = ", ".join(path.decode() for path in self._paths)
            return error(404, f"there is {known}")
        if request.method not in (b"GET", b"HEAD"):
            return error(405, "only GET is supported")
        return handler()

    def why_not_ready(self) -> str:
        """Why predictions are not answered, empty if they are."""
        versions = self._predictor.versions
        if self._draining():
            return "shutting down"
        if trouble := self._trouble():
            return trouble
        if versions.live_model is not None:
            return ""
        if versions.routes is None:
            return "no routes yet"
        live = versions.routes.live
        held = versions.held.get(live) if live is not None else None
        return (
            f"version {live} is {held.state}: {held.reason} {held.message}" if held else f"version {live} is not held"
        )

    def _health(self) -> Response:
        return Response(200, b"ok\n", TEXT)

    def _ready(self) -> Response:
        why = self.why_not_ready()
        return Response(503 if why else 200, f"{why or 'ok'}\n".encode(), TEXT)

    def _status(self) -> Response:
        versions = self._predictor.versions
        document = {
            "formatVersion": FORMAT_VERSION,
            "revision": versions.routes.revision if versions.routes else 0,
            "pod": self._pod,
            "trouble": self._trouble(),
            "live": versions.live,
            "versions": versions.document(),
        }
        return Response(200, orjson.dumps(document))

    def _windows(self) -> Response:
        monitor = self._predictor.monitor
        document = {
            "formatVersion": FORMAT_VERSION,
            "pod": self._pod,
            "bucketSeconds": monitor.seconds,
            "buckets": monitor.windows(),
        }
        return Response(200, orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))

    def _baseline(self) -> Response:
        versions = self._predictor.versions
        model = versions.live_model
        if model is None:
            return error(404, "no version is live")
        return Response(200, orjson.dumps({"version": versions.live, "baseline": model.baseline_document}))

    def _metrics(self) -> Response:
        return Response(200, "\n".join(self._lines()).encode() + b"\n", PROMETHEUS)

    def _lines(self) -> Iterable[str]:
        """Prometheus' text format: base units, labels bounded by the versions and bins of this pod."""
        predictor = self._predictor
        model = f'model="{predictor.name}"'
        yield "# TYPE ropewalk_server_ready gauge"
        yield f"ropewalk_server_ready{{{model}}} {0 if self.why_not_ready() else 1}"
        yield "# TYPE ropewalk_server_live_version gauge"
        yield f"ropewalk_server_live_version{{{model}}} {predictor.versions.live or 0}"
        yield "# TYPE ropewalk_server_rejected_total counter"
        for reason, count in sorted(predictor.rejected.items()):
            yield f'ropewalk_server_rejected_total{{{model},reason="{reason}"}} {count}'
        yield "# TYPE ropewalk_server_feedback_rejected_total counter"
        yield f"ropewalk_server_feedback_rejected_total{{{model}}} {predictor.monitor.feedback_rejected}"
        yield "# TYPE ropewalk_server_requests_total counter"
        yield "# TYPE ropewalk_server_rows_total counter"
        yield "# TYPE ropewalk_server_labels_total counter"
        yield "# TYPE ropewalk_server_feature_rows_total counter"
        yield "# TYPE ropewalk_server_prediction_rows_total counter"
        yield "# TYPE ropewalk_server_request_seconds histogram"
        for version, totals, bucket in predictor.monitor.counts():
            labels = f'{model},version="{version}"'
            for code, count in sorted(totals.codes.items()):
                yield f'ropewalk_server_requests_total{{{labels},code="{code}"}} {count}'
            yield f"ropewalk_server_rows_total{{{labels}}} {totals.rows}"
            yield f'ropewalk_server_labels_total{{{labels},correct="true"}} {totals.labels_correct}'
            yield f'ropewalk_server_labels_total{{{labels},correct="false"}} {totals.labels - totals.labels_correct}'
            passed = 0
            for edge, count in zip((*LATENCY_EDGES, float("inf")), totals.latency, strict=True):
                passed += count
                shown = "+Inf" if edge == float("inf") else f"{edge:g}"
                yield f'ropewalk_server_request_seconds_bucket{{{labels},le="{shown}"}} {passed}'
            yield f"ropewalk_server_request_seconds_sum{{{labels}}} {totals.latency_sum:.6f}"
            yield f"ropewalk_server_request_seconds_count{{{labels}}} {passed}"
            counted = {name: list(counts) for name, counts in totals.features.items()}
            if bucket is not None:
                for name, counts in bucket.counter.counts.items():
                    before = counted.get(name)
                    counted[name] = (
                        [int(a + b) for a, b in zip(before, counts, strict=True)]
                        if before is not None and len(before) == len(counts)
                        else list(counts)
                    )
            for name, counts in counted.items():
                for index, count in enumerate(counts):
                    yield f'ropewalk_server_feature_rows_total{{{labels},feature="{name}",bin="{index}"}} {int(count)}'
            if totals.predictions is not None:
                for index, count in enumerate(totals.predictions.tolist()):
                    yield f'ropewalk_server_prediction_rows_total{{{labels},bin="{index}"}} {count}'


def error(status: int, message: str) -> Response:
    """An error of this port."""
    return Response(status, orjson.dumps({"error": message}))
