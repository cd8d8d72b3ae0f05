"""A custom model on KServe's Python server: `load`, a synchronous `predict`, `ModelServer` as by default.

It answers v1 (`instances`), v2 and gRPC alike.
"""

from __future__ import annotations

import os
from typing import Any

import engine
import kserve.protocol.grpc.server as grpc_server
import kserve.protocol.rest.server as rest_server
from kserve import Model, ModelServer
from kserve.utils.utils import get_predict_input, get_predict_response


class Network(Model):
    """The model."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.load()

    def load(self) -> bool:
        """Load the network; ready from then on."""
        self.predict_rows = engine.load()
        self.ready = True
        return True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        """Probabilities, in the protocol that was asked in: KServe's own servers use these two helpers too."""
        return get_predict_response(payload, self.predict_rows(get_predict_input(payload)), self.name)


def stay_on_loopback() -> None:
    """KServe listens on every address and has no setting for that."""
    configure, make = rest_server.uvicorn.Config, grpc_server.aio.server

    def config(*positional: Any, **named: Any) -> Any:
        return configure(*positional, **{**named, "host": "127.0.0.1"})

    class Server:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        def add_insecure_port(self, address: str) -> int:
            return int(self._inner.add_insecure_port(address.replace("[::]", "127.0.0.1")))

    rest_server.uvicorn.Config = config
    grpc_server.aio.server = lambda *positional, **named: Server(make(*positional, **named))


if __name__ == "__main__":
    stay_on_loopback()
    ModelServer().start([Network(os.environ["BENCH_MODEL"])])
