"""The gRPC side of port 8500: authentication, and each path to its method."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ropewalk_server.app.access_log import TRACERESPONSE, AccessLog, trace_of, trace_response
from ropewalk_server.auth.credentials import REFUSALS, Authenticator, Verdict
from ropewalk_server.protocols.common import health_grpc
from ropewalk_server.protocols.openinference import grpc as openinference_grpc
from ropewalk_server.protocols.tfserving import grpc as tfserving_grpc
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import GRPC_OIP, GRPC_TFS
from ropewalk_server.telemetry.receipts import BODY, REQUEST
from ropewalk_server.transport.http2.rpc import Answer, Code, Head, Reply, failure

_OPEN = health_grpc.CHECK.encode()
"""The health check of load balancers, which bear no token; its answer is only whether the server is ready."""

_CODES = {
    Verdict.UNKNOWN: Code.UNAUTHENTICATED,
    Verdict.FORBIDDEN: Code.PERMISSION_DENIED,
    Verdict.UNAVAILABLE: Code.UNAVAILABLE,
}


class GrpcApp:
    """The handler of one model's gRPC port; with an `authenticator` for those only whom it lets in."""

    def __init__(self, predictor: Predictor, authenticator: Authenticator | None, draining: Callable[[], bool]) -> None:
        self._predictor = predictor
        self._authenticator = authenticator
        methods, with_receipts = (
            {
                **tfserving_grpc.TensorFlowServing(predictor, each).methods(),
                **openinference_grpc.OpenInference(predictor, each).methods(),
            }
            for each in (False, True)
        )
        services = {path.split("/")[1] for path in methods}
        health = health_grpc.Health(predictor, services, draining).methods()
        self._methods = {path.encode(): method for path, method in {**methods, **health}.items()}
        self._with_receipts = {path.encode(): method for path, method in {**with_receipts, **health}.items()}
        """For calls that want a receipt a row."""
        self._log = AccessLog()

    def admit(self, head: Head) -> Reply | None:
        """As HttpApp does: the refusal of a client whose verdict is known already."""
        if self._authenticator is None or head.path == _OPEN:
            return None
        verdict = self._authenticator.ask(head.authorization)
        if verdict is Verdict.ALLOWED or not isinstance(verdict, Verdict):
            return None
        return self._refused(verdict)

    def handle(self, head: Head, message: bytes) -> Answer:
        """Answer at once, or with a future where the model is slow."""
        began = self._log.clock()
        try:
            answer = self._answer(head, message)
        except Exception as error:
            answer = self._crashed(head, error, began)
        if isinstance(answer, Reply):
            return self._ended(head, len(message), answer, began)
        return asyncio.ensure_future(self._later(head, len(message), answer, began))

    async def _later(self, head: Head, size: int, answer: asyncio.Future[Reply], began: float) -> Reply:
        try:
            reply = await answer
        except Exception as error:
            reply = self._crashed(head, error, began)
        return self._ended(head, size, reply, began)

    def _crashed(self, head: Head, error: Exception, began: float) -> Reply:
        protocol = GRPC_OIP if head.path.startswith(openinference_grpc.SERVICE.encode()) else GRPC_TFS
        self._predictor.crashed(error, self._log.clock() - began, protocol)
        return failure(Code.INTERNAL, "Internal error")

    def _ended(self, head: Head, size: int, reply: Reply, began: float) -> Reply:
        """As HttpApp does: log the call if it is its turn, send a caller's trace back."""
        due = self._log.went_well(began) if reply.code is Code.OK else self._log.failed(began)
        if not due and head.traceparent is None:
            return reply
        trace = trace_of(head.traceparent)
        if due:
            fields = {"code": reply.code.name, "request_bytes": size, "answer_bytes": len(reply.message)}
            self._log.line("gRPC", head.path, began, trace, **fields)
        if trace is None:
            return reply
        return reply._replace(metadata=(*reply.metadata, (TRACERESPONSE, trace_response(trace))))

    def _answer(self, head: Head, message: bytes) -> Answer:
        if self._authenticator is None or head.path == _OPEN:
            return self._let_in(head, message)
        verdict = self._authenticator.ask(head.authorization)
        if isinstance(verdict, Verdict):
            return self._let_in(head, message) if verdict is Verdict.ALLOWED else self._refused(verdict)
        return asyncio.ensure_future(self._once_known(verdict, head, message))

    async def _once_known(self, asking: asyncio.Future[Verdict], head: Head, message: bytes) -> Reply:
        """As HttpApp does: one deadline."""
        seconds = self._predictor.limits.deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                verdict = await asyncio.shield(asking)
                answer = self._let_in(head, message) if verdict is Verdict.ALLOWED else self._refused(verdict)
                return answer if isinstance(answer, Reply) else await answer
        except TimeoutError:
            self._predictor.reject("deadline")
            words = f"The token's check and the prediction took longer than {seconds:g} s"
            return failure(Code.DEADLINE_EXCEEDED, words)

    def _refused(self, verdict: Verdict) -> Reply:
        reason, words = REFUSALS[verdict]
        self._predictor.reject(reason)
        return failure(_CODES[verdict], words)

    def _let_in(self, head: Head, message: bytes) -> Answer:
        method = (self._with_receipts if head.kept and head.kept.get(REQUEST) == BODY else self._methods).get(head.path)
        if method is None:
            return failure(Code.UNIMPLEMENTED, f"There is no method {head.path[:200].decode('latin-1')} here")
        return method(message)
