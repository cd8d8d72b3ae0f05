"""OpenVINO, forced to float32: by itself it picks bf16 on processors that have it (error 2.6e-3 against 2e-7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.engines.interface import (
    Arrays,
    EngineError,
    NamedSession,
    Session,
    X,
    in_calls,
    input_names,
    output_names,
    plain,
)

NAME = "OpenVINO"
CALL_BYTES = 1 << 20
"""Of input in one call; a larger batch is cut. The tensors in between are kept for the next call: of 10,000 texts of
200 words they are 280 MB, cut like this 35, and it takes half the time."""
OPTIONS: Mapping[str, Any] = {
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
}


def load(
    network: bytes,
    weights: bytes,
    outputs: Mapping[str, str] | None = None,
    *,
    threads: int = 1,
    call_bytes: int = CALL_BYTES,
) -> OpenVINO:
    """The network of an .xml file and of its .bin, compiled once. Raises EngineError.

    `outputs`: names of the core's outputs to those of the file, None for the file's own.
    `call_bytes`: of input in one call.
    """
    import openvino

    core = openvino.Core()
    options = {**OPTIONS, "INFERENCE_NUM_THREADS": threads}
    try:
        compiled = core.compile_model(core.read_model(network, weights), "CPU", options)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot load the network: {str(error).splitlines()[0][:300]}") from error
    return OpenVINO(compiled, outputs, call_bytes)


class OpenVINO:
    """A compiled network; each session has an infer request of its own."""

    def __init__(self, compiled: Any, outputs: Mapping[str, str] | None, call_bytes: int) -> None:
        self._compiled = compiled
        self._call_bytes = call_bytes
        self._entries = input_names(NAME, [_name(port) for port in compiled.inputs])
        self._exits = output_names(NAME, [_name(port) for port in compiled.outputs], outputs)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The core's inputs."""
        return tuple(self._entries)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The core's outputs."""
        return tuple(self._exits)

    def session(self) -> Session:
        """A session for the calling thread."""
        plain(NAME, self.inputs, self.outputs)
        request, call_bytes = self._compiled.create_infer_request(), self._call_bytes
        call, name = self._call(request), self.outputs[0]

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            if len(encoded) != 1 and encoded.nbytes > call_bytes:
                return in_calls(call, {X: encoded}, call_bytes)[name]
            result: NDArray[np.float32] = request.infer({0: np.ascontiguousarray(encoded)})[0].copy()
            return result

        return run

    def named_session(self) -> NamedSession:
        """A session for the calling thread."""
        call, call_bytes = self._call(self._compiled.create_infer_request()), self._call_bytes
        return lambda arrays: in_calls(call, arrays, call_bytes)

    def _call(self, request: Any) -> NamedSession:
        entries, exits = tuple(self._entries.items()), tuple(self._exits.items())

        def call(arrays: Arrays) -> dict[str, NDArray[Any]]:
            answer = request.infer({at: np.ascontiguousarray(arrays[name]) for name, at in entries})
            return {name: answer[at].copy() for name, at in exits}

        return call


def _name(port: Any) -> str:
    """The first of a port's names, sorted; empty for a port without one."""
    return min(port.get_names(), default="")
