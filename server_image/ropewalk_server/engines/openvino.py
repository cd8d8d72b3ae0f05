"""OpenVINO, forced to float32: by itself it picks bf16 on processors that have it (error 2.6e-3 against 2e-7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_server.engines import EngineError, Session

OPTIONS: dict[str, Any] = {
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
}


class OpenVINO:
    """An .xml file with its .bin beside it, compiled once; each session has an infer request of its own."""

    def __init__(self, file: Path) -> None:
        import openvino

        try:
            self._compiled = openvino.Core().compile_model(str(file), "CPU", OPTIONS)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO cannot load the network: {str(error).splitlines()[0][:300]}") from error

    def session(self) -> Session:
        """A session for the calling thread."""
        request = self._compiled.create_infer_request()

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            result: NDArray[np.float32] = request.infer({0: np.ascontiguousarray(encoded)})[0].copy()
            return result

        return run
