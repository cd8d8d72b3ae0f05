"""`POST /v1/models/NAME:feedback`: what was true, told later, for predictions by their ids."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import orjson

from ropewalk_server.protocols.common.jsonbody import BadRequest, parse
from ropewalk_server.protocols.common.must_offload import MustOffload, not_on_the_loop
from ropewalk_server.protocols.common.offloaded_decode import read as read_aside
from ropewalk_server.protocols.common.rest_errors import error, not_allowed
from ropewalk_server.serving.predictor import Predictor, Refused, digest_bytes
from ropewalk_server.telemetry.buckets import BinSource
from ropewalk_server.telemetry.receipts import InvalidReceipt
from ropewalk_server.transport.http1.types import Answer, Request, Response

MAX_LABELS = 1000
"""Labels of one request: they are checked on the event loop, 10 us each."""


class FeedbackEndpoint:
    """The handler of `:feedback`."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def handle(self, request: Request) -> Answer:
        """Count each label that is good; of a list, say which are not."""
        if request.method != b"POST":
            return not_allowed(request, "POST")
        try:
            return self._counted(*read(request.body))
        except BadRequest as why:
            return self._mistaken(why)
        except MustOffload:
            return asyncio.ensure_future(self._unpacked(request.body))

    async def _unpacked(self, body: bytes) -> Response:
        try:
            found = await read_aside(self._predictor, None, time.perf_counter(), len(body), lambda: read(body))
        except BadRequest as why:
            return self._mistaken(why)
        except Refused as why:
            return error(why.status, str(why))
        return self._counted(*found)

    def _mistaken(self, why: BadRequest) -> Response:
        self._predictor.recorder.feedback_rejected += 1
        return error(why.status, str(why))

    def _counted(self, labels: list[tuple[str, str]], many: bool) -> Response:
        recorder = self._predictor.recorder
        yardsticks = self._yardsticks()
        digests = {version: digest_bytes(one) for version, one in yardsticks.items()}
        refused: list[dict[str, Any]] = []
        for index, (ident, label) in enumerate(labels):
            try:
                self._count(ident, label, yardsticks, digests)
            except (BadRequest, InvalidReceipt) as why:
                recorder.feedback_rejected += 1
                refused.append({"index": index, "error": str(why)})
        if many:
            return Response(200, orjson.dumps({"accepted": len(labels) - len(refused), "refused": refused}))
        return error(400, refused[0]["error"]) if refused else Response(200, b"{}")

    def _yardsticks(self) -> dict[int, BinSource]:
        """What is loaded, and what answered here before."""
        loaded = {number: one.model for number, one in self._predictor.versions.held.items() if one.model is not None}
        return {**self._predictor.recorder.former, **loaded}

    def _count(self, ident: str, label: str, yardsticks: Mapping[int, BinSource], digests: dict[int, bytes]) -> None:
        """Count one label, once. Raises BadRequest or InvalidReceipt."""
        predictor = self._predictor
        receipt = predictor.receipts.read(ident, digests)
        model = yardsticks[receipt.version]
        if label not in model.classes:
            known = ", ".join(model.classes[:20])
            raise BadRequest(f"label {label[:60]!r} is none of the classes {known}")
        if predictor.receipts.first_label(ident):
            truth = model.classes.index(label)
            lag = predictor.receipts.lag(receipt)
            predictor.recorder.labelled(receipt.version, model, predicted=receipt.predicted, truth=truth, lag=lag)


def read(body: bytes) -> tuple[list[tuple[str, str]], bool]:
    """Ids of predictions with their true labels, and whether they came as a list. Raises BadRequest, and Costly on an
    event loop."""
    not_on_the_loop(len(body))
    document = parse(body)
    many = isinstance(document, list)
    listed = document if many else [document]
    if len(listed) > MAX_LABELS:
        raise BadRequest(f"{len(listed)} labels at once; there may be {MAX_LABELS}")
    found = []
    for index, one in enumerate(listed):
        ident, label = (one.get("id"), one.get("label")) if isinstance(one, dict) else (None, None)
        if not isinstance(ident, str) or not isinstance(label, (str, int, float)) or isinstance(label, bool):
            form = '{"id": "<ropewalk-prediction-id of the answer>", "label": "<true class>"}'
            raise BadRequest(f"Feedback is {form} or a list of these" + (f"; [{index}] is not" if many else ""))
        found.append((ident, str(label)))
    return found, many
