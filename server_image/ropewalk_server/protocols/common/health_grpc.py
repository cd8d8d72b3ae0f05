"""grpc.health.v1.Health/Check (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), for load balancers.

Watch is a stream and not served: clients take UNIMPLEMENTED for "no health checking" by the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ropewalk_server.protocols.common import packed
from ropewalk_server.protocols.common.grpc_errors import refusal
from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.protocols.protos import health_pb2 as pb
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.transport.http2.rpc import Answer, Code, Reply, failure

CHECK = "/grpc.health.v1.Health/Check"
_SERVING, _NOT_SERVING = 1, 2
"""grpc.health.v1.HealthCheckResponse.ServingStatus."""


class Health:
    """The method of the service. `services` are the names that may be asked for; "" is the whole server."""

    def __init__(self, predictor: Predictor, services: set[str], draining: Callable[[], bool]) -> None:
        self._predictor = predictor
        self._services = services | {""}
        self._draining = draining

    def methods(self) -> Mapping[str, Callable[[bytes], Answer]]:
        """Handlers by path."""
        return {CHECK: self._check}

    def _check(self, body: bytes) -> Reply:
        try:
            service = packed.parse(pb.HealthCheckRequest, body).service
        except BadRequest as why:
            return refusal(why.status, str(why))
        if service not in self._services:
            return failure(Code.NOT_FOUND, f"There is no service {service[:80]}")
        ready = not self._draining() and self._predictor.find(None) is not None
        return Reply(pb.HealthCheckResponse(status=_SERVING if ready else _NOT_SERVING).SerializeToString())
