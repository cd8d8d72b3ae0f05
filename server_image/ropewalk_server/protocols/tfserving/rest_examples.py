"""`:classify` and `:regress` of TensorFlow Serving's REST API: examples in, classes or values out.

Only signatures that have the method answer; all others get upstream's error. `classify_regress` has what gRPC shares.
"""

from __future__ import annotations

import time
from typing import cast

from ropewalk_model.signature import METHOD
from ropewalk_server.protocols.common.deferred_response import answered
from ropewalk_server.protocols.common.jsonbody import BadRequest, parse_object, refuse_depth
from ropewalk_server.protocols.common.must_offload import MustOffload, not_on_the_loop
from ropewalk_server.protocols.common.offloaded_decode import mistaken, offloaded
from ropewalk_server.protocols.common.rest_errors import error, not_allowed
from ropewalk_server.protocols.tfserving import classify_regress
from ropewalk_server.protocols.tfserving.rest_paths import Target, absent
from ropewalk_server.protocols.tfserving.rest_predict import named
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import Core, Issued, Loaded
from ropewalk_server.transport.http1.types import Answer, Request, Response


class Examples:
    """The handler of both."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def handle(self, request: Request, target: Target) -> Answer:
        """Answer at once, or with a future where the model is slow."""
        if request.method != b"POST":
            return not_allowed(request, "POST")
        began = time.perf_counter()
        found = self._predictor.find(target.version)
        if found is None:
            return absent(target)
        if not classify_regress.takes(found.model, target.verb):
            title = classify_regress.TITLES[target.verb][0]
            wrong = BadRequest(classify_regress.wrong_method(found.model.signature, target.verb, title))
            return error(*mistaken(self._predictor, found, began, wrong))
        return self._asked(request, found, target.verb, began)

    def _asked(self, request: Request, found: Loaded, verb: str, began: float) -> Answer:
        try:
            found, batch = self._read(found, request.body, verb)
        except BadRequest as why:
            return error(*mistaken(self._predictor, found, began, why))
        except MustOffload:
            body = request.body
            return offloaded(
                self._predictor,
                found,
                began,
                len(body),
                lambda: self._read(found, body, verb),
                lambda read: self._ask(*read, verb, began),
                error,
            )
        return self._ask(found, batch, verb, began)

    def _read(self, found: Loaded, body: bytes, verb: str) -> tuple[Loaded, Batch]:
        """The examples, for the signature that the request names. Raises BadRequest; MustOffload on an event loop."""
        not_on_the_loop(len(body))
        document = parse_object(body)
        refuse_depth(document)
        name = document.get("signature_name", "")
        if name not in ("", found.model.signature.name):
            found = found._replace(model=named(found.model, name))
        signature = found.model.signature
        if signature.method != f"{METHOD}{verb}":
            raise BadRequest(classify_regress.wrong_method(signature, verb, classify_regress.TITLES[verb][0]))
        most_rows = self._predictor.most_rows(found.model)
        return found, classify_regress.batch(found.model, classify_regress.examples(document, most_rows), most_rows)

    def _ask(self, found: Loaded, batch: Batch, verb: str, began: float) -> Answer:
        def write(core: Core, issued: Issued) -> Response:
            return classify_regress.written(verb, cast("classify_regress.Arrays", core), batch.rows)

        return answered(self._predictor, found, batch, began, write, error)
