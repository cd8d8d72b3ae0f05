"""The HTTP side of port 8501: which protocol a path belongs to."""

from __future__ import annotations

from ropewalk_server.http import Answer, Request
from ropewalk_server.predictor import Predictor
from ropewalk_server.protocols import openapi, openinference, tfserving


class Service:
    """The handler of one model's HTTP port."""

    def __init__(self, predictor: Predictor) -> None:
        self._tfserving = tfserving.TensorFlowServing(predictor).handle
        self._openinference = openinference.OpenInference(predictor).handle
        self._openapi = openapi.OpenApi(predictor).handle

    def handle(self, request: Request) -> Answer:
        """Answer at once, or with a future where the model is slow."""
        if request.path.startswith(tfserving.PREFIX):
            return self._tfserving(request)
        if request.path.startswith(openinference.PREFIX):
            return self._openinference(request)
        if request.path == openapi.PATH:
            return self._openapi(request)
        return tfserving.malformed(request)
