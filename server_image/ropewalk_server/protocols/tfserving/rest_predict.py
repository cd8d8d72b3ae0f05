"""`:predict` of TensorFlow Serving's REST API: rows or columns of JSON in, predictions in the same form out.

Requests that come in one turn of the event loop are answered by `together`, with one call of the model; one that
comes alone, or is out of the ordinary (many rows, pictures, another signature), by `handle`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from ropewalk_server.protocols.common.deferred_response import answered
from ropewalk_server.protocols.common.jsonbody import BadRequest, parse_object, refuse_depth, shown
from ropewalk_server.protocols.common.must_offload import MustOffload, not_on_the_loop
from ropewalk_server.protocols.common.named_tensors import written
from ropewalk_server.protocols.common.offloaded_decode import mistaken, offloaded
from ropewalk_server.protocols.common.rest_errors import error, not_allowed, wants_receipts
from ropewalk_server.protocols.tfserving import joint_decode
from ropewalk_server.protocols.tfserving.rest_answers import write_predict, write_rows
from ropewalk_server.protocols.tfserving.rest_paths import Target, absent
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.model import Model
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import REST_V1, Core, Issued, Loaded
from ropewalk_server.telemetry.receipts import RECEIPT
from ropewalk_server.transport.http1.types import JSON, Answer, Request, Response


class OtherSignature(Exception):
    """A request names another signature than the default one, which is for `model`."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model


class Predict:
    """The handler of predictions."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def handle(self, request: Request, target: Target) -> Answer:
        """Answer at once, or with a future where the model is slow."""
        if request.method != b"POST":
            return not_allowed(request, "POST")
        predictor = self._predictor
        found = predictor.find(target.version, REST_V1)
        if found is None:
            return absent(target)
        return self._predicted(request, found, time.perf_counter())

    def together(self, bodies: Sequence[bytes]) -> list[Response | None]:
        """Answers to requests for predictions of the live version; None for one that must be handled alone."""
        predictor = self._predictor
        found = predictor.find(None)
        most = 0 if found is None else predictor.most_together(found.model)
        if found is None or most < 2:
            return [None] * len(bodies)
        most_each = predictor.most_rows(found.model)
        answers: list[Response | None] = []
        while len(answers) < len(bodies):
            answers += self._group(found, bodies[len(answers) :], most_each, most)
        return answers

    def _group(self, found: Loaded, bodies: Sequence[bytes], most_each: int, most: int) -> list[Response | None]:
        began = time.perf_counter()
        batch, sizes = joint_decode.read(found.model.decoder, bodies, most_each, most)
        counts = [size for size in sizes if size]

        def write(core: Core) -> list[Response]:
            bodies = write_rows(found.model.signature, core, counts)
            if not self._predictor.receipts.issued:
                return [Response(200, body) for body in bodies]
            return [
                _answered(body, self._predictor.receipt(found, core[end - count : end]))
                for body, count, end in zip(bodies, counts, accumulate(counts), strict=True)
            ]

        answers = None if batch is None else self._predictor.predict_together(found, batch, counts, began, write)
        if answers is None:
            return [None] * len(sizes)
        if len(answers) == len(sizes):
            return [*answers]
        left = iter(answers)
        return [next(left) if size else None for size in sizes]

    def _predicted(self, request: Request, found: Loaded, began: float) -> Answer:
        predictor = self._predictor
        try:
            found, batch, row_form = self._read(found, request.body)
        except BadRequest as why:
            return error(*mistaken(predictor, found, began, why))
        except MustOffload:
            return self._offloaded(request, found, began)
        return self._ask(found, began, batch, row_form, wants_receipts(request))

    def _read(self, found: Loaded, body: bytes) -> tuple[Loaded, Batch, bool]:
        """The rows, for the signature that the request names, and whether they came in row form."""
        try:
            batch, row_form = read_predict(found.model, body, self._predictor.most_rows(found.model))
        except OtherSignature as other:
            return self._read(found._replace(model=other.model), body)
        return found, batch, row_form

    def _offloaded(self, request: Request, found: Loaded, began: float) -> Answer:
        """Apart from `_predicted`, which makes no closures where a request is read at once."""
        body, each = request.body, wants_receipts(request)
        return offloaded(
            self._predictor,
            found,
            began,
            len(body),
            lambda: self._read(found, body),
            lambda read: self._ask(read[0], began, read[1], read[2], each),
            error,
        )

    def _ask(self, found: Loaded, began: float, batch: Batch, row_form: bool, each: bool) -> Answer:
        signature = found.model.signature

        def write(core: Core, issued: Issued) -> Response:
            if isinstance(core, dict):
                return written(core, row_form)
            each = issued if isinstance(issued, list) else ()
            return _answered(write_predict(signature, core, row_form, each), issued)

        return answered(self._predictor, found, batch, began, write, error, each=each)


def _answered(body: bytes, issued: Issued) -> Response:
    """With the id in a header, if the request has one."""
    return Response(200, body, JSON, ((RECEIPT, issued),)) if isinstance(issued, bytes) else Response(200, body)


def read_predict(model: Model, body: bytes, max_rows: int) -> tuple[Batch, bool]:
    """The rows of a predict request, and whether it was in row form. Raises BadRequest."""
    plain = model.decoder.decode_numbers(body, max_rows)
    if plain is not None:
        return plain
    not_on_the_loop(len(body))
    document = parse_object(body)
    name = document.get("signature_name", "")
    if name not in ("", model.signature.name):
        raise OtherSignature(named(model, name))
    try:
        found = model.decoder.decode(document, max_rows)
    except BadRequest:
        refuse_depth(document)
        raise
    if len(document) > 1:  # what was decoded is as deep as its shape
        refuse_depth(document, "instances", "inputs")
    return found


def named(model: Model, name: Any) -> Model:
    """The model of another signature of the version. Raises BadRequest."""
    other = model.named.get(name) if type(name) is str else None
    if other is None:
        known = " or ".join(f'"{one}"' for one in sorted(model.named))[:500]
        raise BadRequest(f"Serving signature name: {shown(name)} not found in signature def; use {known}")
    return other
