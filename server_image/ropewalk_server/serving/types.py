"""Types that pass between serving and the rooms around it: a loaded version, an answered request, a refusal.

Telemetry implements `Observer` and `ReceiptIssuer`; the application wires them to the predictor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ropewalk_server.serving.batch import Batch

if TYPE_CHECKING:
    from ropewalk_server.serving.model import Model

Core = NDArray[np.float32]
"""A core's output: float32 [rows, outputs]. A model of named tensors gives a dictionary of arrays in its place."""

Issued = bytes | list[str] | None
"""The receipts of an answer: one id for all of it, a receipt a row, or none."""

REST_V1, REST_V2, GRPC_TFS, GRPC_OIP = PROTOCOLS = ("rest_v1", "rest_v2", "grpc_tfs", "grpc_oip")
"""TensorFlow Serving's and the Open Inference Protocol, over HTTP and gRPC: the label `protocol` of metrics."""


class Refused(Exception):
    """A request gets no prediction; `status` is the HTTP status with the reason, the message is for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class DeferredResponse:
    """The result of a `write` of named tensors that is to be written elsewhere: `count` the request after that."""

    count: Callable[[], None]

    def __init__(self, write: Callable[[], object]) -> None:
        self.write = write


class Loaded(NamedTuple):
    """A version that answers now, and the protocol of the request for it, one of PROTOCOLS."""

    version: int
    model: Model
    protocol: str = REST_V1


class Times(NamedTuple):
    """time.perf_counter() of a request, or of requests that were answered together: its headers were read, its rows
    were decoded, an engine took them, the prediction was computed."""

    began: float
    decoded: float
    taken: float
    computed: float


class Answered(NamedTuple):
    """A request that was answered with predictions, at `ended` by time.perf_counter(); or several that were answered
    together, with so many rows each."""

    loaded: Loaded
    times: Times
    ended: float
    batch: Batch
    core: Core
    computed: int
    """Rows of the engine's computation; 0 if another request counts it."""
    counts: Sequence[int] = ()


class Observer(Protocol):
    """Counts traffic. Both methods run on the event loop, once a request, and raise nothing."""

    def answered(self, one: Answered) -> None:
        """Count a request that was answered."""

    def failed(self, loaded: Loaded, status: int, seconds: float) -> None:
        """Count a request for this version that got an error with this HTTP status after so many seconds."""


class ReceiptIssuer(Protocol):
    """Signs receipts of predictions."""

    @property
    def issued(self) -> bool:
        """Whether answers have receipts."""

    def issue(self, version: int, digest: bytes, core: Core, classes: int, *, each: bool = False) -> Issued:
        """The receipts of an answer of a version with this manifest digest (32 bytes); `each`: one a row."""
