"""The gRPC side of port 8500: which method a path belongs to."""

from __future__ import annotations

from collections.abc import Callable

from ropewalk_server.credentials import Tokens
from ropewalk_server.predictor import Predictor
from ropewalk_server.protocols import health_grpc, openinference_grpc, tfserving_grpc
from ropewalk_server.rpc import Answer, Code, Head, failure

_OPEN = health_grpc.CHECK.encode()
"""What load balancers ask, which bear no token; it tells nothing but whether the server is ready."""


class GrpcService:
    """The handler of one model's gRPC port; with `tokens` for those only who bear one."""

    def __init__(self, predictor: Predictor, tokens: Tokens | None, draining: Callable[[], bool]) -> None:
        self._predictor = predictor
        self._tokens = tokens
        methods = {
            **tfserving_grpc.TensorFlowServing(predictor).methods(),
            **openinference_grpc.OpenInference(predictor).methods(),
        }
        services = {path.split("/")[1] for path in methods}
        methods |= health_grpc.Health(predictor, services, draining).methods()
        self._methods = {path.encode(): method for path, method in methods.items()}

    def handle(self, head: Head, message: bytes) -> Answer:
        """Answer at once, or with a future where the model is slow."""
        if self._tokens is not None and head.path != _OPEN and not self._tokens.allow(head.authorization):
            self._predictor.reject("unauthorized")
            words = "This model is for those who send a token it knows: authorization: Bearer TOKEN"
            return failure(Code.UNAUTHENTICATED, words)
        method = self._methods.get(head.path)
        if method is None:
            return failure(Code.UNIMPLEMENTED, f"There is no method {head.path[:200].decode('latin-1')} here")
        return method(message)
