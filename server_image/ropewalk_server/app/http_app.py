"""The HTTP side of port 8501: authentication, and each path to its protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import compress

from ropewalk_server.app.access_log import TRACEPARENT, TRACERESPONSE, AccessLog, trace_of, trace_response
from ropewalk_server.auth.credentials import REFUSALS, Authenticator, Verdict
from ropewalk_server.log import log, place
from ropewalk_server.protocols.common import openapi, rest_errors
from ropewalk_server.protocols.openinference import rest as openinference
from ropewalk_server.protocols.tfserving import rest as tfserving
from ropewalk_server.protocols.tfserving import rest_paths
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import REST_V1, REST_V2
from ropewalk_server.telemetry.feedback import Feedback
from ropewalk_server.transport.http1.types import Answer, Request, Response

AUTHORIZATION = b"authorization"
LARGE = 16 * 1024
"""Bytes of a body that is not even read while too many requests wait: reading it would delay those."""

Ruling = Verdict | asyncio.Future[Verdict]
"""An authenticator's verdict, now or later."""
_HINTS = {Verdict.UNKNOWN: ((b"www-authenticate", b"Bearer"),)}


class HttpApp:
    """The handler of one model's HTTP port; with an `authenticator` for those only whom it lets in."""

    def __init__(self, predictor: Predictor, feedback: Feedback, authenticator: Authenticator | None = None) -> None:
        self._predictor = predictor
        self._authenticator = authenticator
        self._tfserving = tfserving.TensorFlowServing(predictor, feedback)
        self._openinference = openinference.OpenInference(predictor).handle
        self._openapi = openapi.OpenApi(predictor).handle
        self._log = AccessLog()

    def admit(self, headers: Mapping[bytes, bytes]) -> Response | None:
        """The refusal of a client whose verdict is known already; asked before a large body is read."""
        verdict = (
            Verdict.ALLOWED if self._authenticator is None else self._authenticator.ask(headers.get(AUTHORIZATION))
        )
        if verdict is Verdict.ALLOWED or not isinstance(verdict, Verdict):
            return None
        return self._refused(verdict)

    def handle(self, request: Request, verdict: Ruling | None = None) -> Answer:
        """Answer at once, or with a future where the model is slow; `verdict` is the authenticator's if it is known."""
        began = self._log.clock()
        try:
            answer = self._answer(request, verdict)
        except Exception as error:
            answer = self._crashed(request, error, began)
        if isinstance(answer, Response):
            return self._ended(request, len(request.body), answer, began)
        # What waits must not keep a body that has become numbers.
        return asyncio.ensure_future(self._later(request._replace(body=b""), len(request.body), answer, began))

    def together(self, requests: Sequence[Request]) -> list[Answer]:
        """Answers to the requests of one turn of the event loop, computed together as far as they can be."""
        if len(requests) == 1:
            return [self.handle(requests[0])]
        began = self._log.clock()
        takes = self._tfserving.takes
        joins = [takes(request) and TRACEPARENT not in request.headers for request in requests]
        verdicts: list[Ruling | None] = [None] * len(requests)
        if self._authenticator is not None:
            verdicts = [self._authenticator.ask(request.headers.get(AUTHORIZATION)) for request in requests]
            joins = [joined and verdict is Verdict.ALLOWED for joined, verdict in zip(joins, verdicts, strict=True)]
        joining = list(compress(requests, joins))
        try:
            predicted = self._tfserving.together([request.body for request in joining])
        except Exception as error:
            log("error", "requests failed together", error=place(error))
            predicted = [None] * len(joining)
        answered = [(request, answer) for request, answer in zip(joining, predicted, strict=True) if answer]
        if answered and self._log.went_well(began, len(answered)):
            request, answer = answered[0]
            self._line(request, len(request.body), answer, began, None)
        if len(answered) == len(requests):
            return [answer for _, answer in answered]
        answers = iter(predicted)
        return [
            (next(answers) if joined else None) or self.handle(request, verdict)
            for request, joined, verdict in zip(requests, joins, verdicts, strict=True)
        ]

    async def _later(self, request: Request, size: int, answer: asyncio.Future[Response], began: float) -> Response:
        try:
            response = await answer
        except Exception as error:
            response = self._crashed(request, error, began)
        return self._ended(request, size, response, began)

    def _crashed(self, request: Request, error: Exception, began: float) -> Response:
        self._predictor.crashed(error, self._log.clock() - began, _protocol(request))
        return rest_errors.error(500, "Internal error")

    def _ended(self, request: Request, size: int, answer: Response, began: float) -> Response:
        """Log the request if it is its turn; a caller's trace goes back in the answer's headers."""
        due = self._log.went_well(began) if answer.status == 200 else self._log.failed(began)
        sent = request.headers.get(TRACEPARENT)
        if not due and sent is None:
            return answer
        trace = trace_of(sent)
        if due:
            self._line(request, size, answer, began, trace)
        if trace is None:
            return answer
        return answer._replace(headers=(*answer.headers, (TRACERESPONSE, trace_response(trace))))

    def _line(self, request: Request, size: int, answer: Response, began: float, trace: bytes | None) -> None:
        fields = {"status": answer.status, "request_bytes": size, "answer_bytes": len(answer.body)}
        method = request.method[:20].decode("latin-1")
        self._log.line("REST", request.path, began, trace, method=method, **fields)

    def _answer(self, request: Request, verdict: Ruling | None) -> Answer:
        if self._authenticator is None:
            return self._let_in(request)
        if verdict is None:
            verdict = self._authenticator.ask(request.headers.get(AUTHORIZATION))
        if isinstance(verdict, Verdict):
            return self._let_in(request) if verdict is Verdict.ALLOWED else self._refused(verdict)
        return asyncio.ensure_future(self._once_known(verdict, request))

    async def _once_known(self, asking: asyncio.Future[Verdict], request: Request) -> Response:
        """One deadline from here on for the verdict, the queue and the prediction."""
        seconds = self._predictor.limits.deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                verdict = await asyncio.shield(asking)
                answer = self._let_in(request) if verdict is Verdict.ALLOWED else self._refused(verdict)
                return answer if isinstance(answer, Response) else await answer
        except TimeoutError:
            self._predictor.reject("deadline")
            return rest_errors.error(504, f"The token's check and the prediction took longer than {seconds:g} s")

    def _let_in(self, request: Request) -> Answer:
        if len(request.body) > LARGE and self._predictor.in_flight >= self._predictor.limits.max_concurrency:
            return self._overloaded(request)
        if request.path.startswith(rest_paths.PREFIX):
            return self._tfserving.handle(request)
        if request.path.startswith(openinference.PREFIX):
            return self._openinference(request)
        if request.path == openapi.PATH:
            return self._openapi(request)
        return rest_paths.malformed(request)

    def _overloaded(self, request: Request) -> Response:
        loaded = self._predictor.find(None, _protocol(request))
        if loaded is None:
            return rest_errors.error(503, "No version is loaded yet")
        why = self._predictor.overloaded(loaded, time.perf_counter())
        return rest_errors.error(why.status, str(why))

    def _refused(self, verdict: Verdict) -> Response:
        reason, words = REFUSALS[verdict]
        self._predictor.reject(reason)
        return rest_errors.error(verdict, words)._replace(headers=_HINTS.get(verdict, ()))


def _protocol(request: Request) -> str:
    return REST_V2 if request.path.startswith(openinference.PREFIX) else REST_V1
