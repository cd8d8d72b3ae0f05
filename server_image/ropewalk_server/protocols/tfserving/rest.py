"""TensorFlow Serving's REST API, version 1 (https://www.tensorflow.org/tfx/serving/api_rest), and `:feedback`.

What a path asks for goes to the handler of its verb. One file a verb: a request becomes a Batch, the answer leaves as
JSON; which version answers, where it runs and what is counted is the predictor's.
"""

from __future__ import annotations

from ropewalk_server.protocols.common.rest_errors import error, not_allowed, wants_receipts
from ropewalk_server.protocols.tfserving import classify_regress
from ropewalk_server.protocols.tfserving.feedback_endpoint import FeedbackEndpoint
from ropewalk_server.protocols.tfserving.rest_answers import write_metadata, write_status
from ropewalk_server.protocols.tfserving.rest_examples import Examples
from ropewalk_server.protocols.tfserving.rest_paths import Target, absent, labelled, malformed, not_found, route
from ropewalk_server.protocols.tfserving.rest_predict import Predict
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.telemetry.feedback import Feedback
from ropewalk_server.transport.http1.types import Answer, Request


class TensorFlowServing:
    """The handler of paths under /v1/."""

    def __init__(self, predictor: Predictor, feedback: Feedback) -> None:
        self._predictor = predictor
        predict = Predict(predictor)
        # As they are: a method around each would be one more call for every request.
        self._predict, self.together = predict.handle, predict.together
        self._examples = Examples(predictor).handle
        self._labels = FeedbackEndpoint(predictor, feedback).handle
        self._predict_path = f"/v1/models/{predictor.name}:predict".encode()
        self._latest = Target(predictor.name, None, "predict")

    def handle(self, request: Request) -> Answer:
        """Answer at once, or with a future where the model is slow."""
        if request.path == self._predict_path:
            return self._predict(request, self._latest)
        target = route(request.path)
        if target is None:
            return malformed(request)
        if target.name != self._predictor.name:
            return not_found(target)
        if target.label is not None:
            version = labelled(self._predictor.versions, target.label)
            if version is None:
                return error(400, f"Unrecognized servable version label: {target.label}")
            target = Target(target.name, version, target.verb)
        if target.verb == "predict":
            return self._predict(request, target)
        if target.verb in classify_regress.TITLES:
            return self._examples(request, target)
        if target.verb == "feedback":
            return self._labels(request)
        if request.method not in (b"GET", b"HEAD"):
            return not_allowed(request, "GET, HEAD")
        if target.verb == "status":
            return write_status(self._predictor.versions.held, target)
        if target.verb == "metadata":
            found = self._predictor.find(target.version)
            if found is None:
                return absent(target)
            return write_metadata(self._predictor.name, found.version, found.model.signature)
        return malformed(request)

    def takes(self, request: Request) -> bool:
        """Whether this request may be answered by `together`."""
        return request.path == self._predict_path and request.method == b"POST" and not wants_receipts(request)
