"""Port 8502, for the operator, kubelet and Prometheus: health, status, windows, baseline, metrics."""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

from ropewalk_contract import wire
from ropewalk_contract.documents.baseline_report import BaselineReport
from ropewalk_contract.documents.status_report import StatusReport
from ropewalk_model import baseline
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.telemetry import prometheus
from ropewalk_server.telemetry.exposition import CONTENT_TYPE
from ropewalk_server.telemetry.recorder import Recorder
from ropewalk_server.transport.http1.types import TEXT, Request, Response

SINCE = re.compile(rb"(?:since=([0-9]{1,12}))?")


class AdminApp:
    """The handler of the monitoring port. It can change nothing."""

    def __init__(
        self,
        predictor: Predictor,
        recorder: Recorder,
        pod: str,
        draining: Callable[[], bool],
        unavailable_reason: Callable[[], str],
    ) -> None:
        self._predictor = predictor
        self._recorder = recorder
        self._pod = pod
        self._draining = draining
        self._unavailable_reason = unavailable_reason
        self._paths = {
            wire.HEALTH_PATH.encode(): self._health,
            wire.READY_PATH.encode(): self._ready,
            wire.STATUS_PATH.encode(): self._status,
            wire.WINDOWS_PATH.encode(): self._windows,
            wire.BASELINE_PATH.encode(): self._baseline,
            wire.METRICS_PATH.encode(): self._metrics,
        }

    def handle(self, request: Request) -> Response:
        """GET one of the paths."""
        handler = self._paths.get(request.path)
        if handler is None:
            known = ", ".join(path.decode() for path in self._paths)
            return error(404, f"there is {known}")
        if request.method not in (b"GET", b"HEAD"):
            return error(405, "only GET is supported")
        return handler(request)

    def why_not_ready(self) -> str:
        """Why predictions are not answered, empty if they are."""
        versions = self._predictor.versions
        if self._draining():
            return "shutting down"
        if unavailable_reason := self._unavailable_reason():
            return unavailable_reason
        if versions.live_model is not None:
            return ""
        if versions.routes is None:
            return "no routes yet"
        live = versions.routes.live
        held = versions.held.get(live) if live is not None else None
        return (
            f"version {live} is {held.state}: {held.reason} {held.message}" if held else f"version {live} is not held"
        )

    def _health(self, _: Request) -> Response:
        return Response(200, b"ok\n", TEXT)

    def _ready(self, _: Request) -> Response:
        why = self.why_not_ready()
        return Response(503 if why else 200, f"{why or 'ok'}\n".encode(), TEXT)

    def _status(self, _: Request) -> Response:
        versions = self._predictor.versions
        report = StatusReport(
            revision=versions.routes.revision if versions.routes else 0,
            live=versions.live,
            versions=versions.report(),
            unavailable_reason=self._unavailable_reason(),
            pod=self._pod,
        )
        return Response(200, orjson.dumps(report.document()))

    def _windows(self, request: Request) -> Response:
        since = SINCE.fullmatch(request.query)
        if since is None:
            return error(400, f"{wire.WINDOWS_PATH} takes nothing or ?since= with whole seconds since the epoch")
        return Response(200, self._recorder.windows(None if since[1] is None else int(since[1])))

    def _baseline(self, _: Request) -> Response:
        versions = self._predictor.versions
        model, live = versions.live_model, versions.live
        if model is None or live is None:
            return error(404, "no version is live")
        shown = baseline.public(model.baseline_document, model.signature.positive)
        return Response(200, orjson.dumps(BaselineReport(live, shown).document()))

    def _metrics(self, _: Request) -> Response:
        return Response(
            200, prometheus.render(self._predictor, self._recorder, ready=not self.why_not_ready()), CONTENT_TYPE
        )


def error(status: int, message: str) -> Response:
    """An error of this port."""
    return Response(status, orjson.dumps({"error": message}))
