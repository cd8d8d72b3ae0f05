"""`POST /v1/models/NAME:feedback`: true classes of earlier predictions, by the predictions' ids."""

from __future__ import annotations

import time

import orjson

from ropewalk_server.protocols.common.jsonbody import BadRequest, parse
from ropewalk_server.protocols.common.must_offload import MustOffload, not_on_the_loop
from ropewalk_server.protocols.common.offloaded_decode import offloaded
from ropewalk_server.protocols.common.rest_errors import error, not_allowed
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.telemetry.feedback import Feedback
from ropewalk_server.transport.http1.types import Answer, Request, Response

MAX_LABELS = 1000
"""Labels of one request: they are checked on the event loop, 10 us each."""


class FeedbackEndpoint:
    """The handler of `:feedback`."""

    def __init__(self, predictor: Predictor, feedback: Feedback) -> None:
        self._predictor = predictor
        self._feedback = feedback

    def handle(self, request: Request) -> Answer:
        """Count each label that is good; of a list, say which are not."""
        if request.method != b"POST":
            return not_allowed(request, "POST")
        try:
            return self._counted(*read(request.body))
        except BadRequest as why:
            return error(*self._mistaken(why))
        except MustOffload:
            body, began = request.body, time.perf_counter()
            return offloaded(
                self._predictor,
                None,
                began,
                len(body),
                lambda: read(body),
                lambda found: self._counted(*found),
                error,
                self._mistaken,
            )

    def _mistaken(self, why: BadRequest) -> tuple[int, str]:
        self._feedback.reject()
        return why.status, str(why)

    def _counted(self, labels: list[tuple[str, str]], many: bool) -> Response:
        refused = self._feedback.count(labels)
        if many:
            listed = [{"index": index, "error": why} for index, why in refused]
            return Response(200, orjson.dumps({"accepted": len(labels) - len(refused), "refused": listed}))
        return error(400, refused[0][1]) if refused else Response(200, b"{}")


def read(body: bytes) -> tuple[list[tuple[str, str]], bool]:
    """Ids of predictions with their true labels, and whether they came as a list. Raises BadRequest; MustOffload on an
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
