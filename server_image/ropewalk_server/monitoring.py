"""What the operator, kubelet and Prometheus read (port 8502): health, status, windows, baseline, metrics."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from ropewalk_server import metrics
from ropewalk_server.exposition import CONTENT_TYPE
from ropewalk_server.http import TEXT, Request, Response
from ropewalk_server.predictor import Predictor

FORMAT_VERSION = 1


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
        return Response(200, metrics.render(self._predictor, ready=not self.why_not_ready()), CONTENT_TYPE)


def error(status: int, message: str) -> Response:
    """An error of this port."""
    return Response(status, orjson.dumps({"error": message}))
