"""LiteRT (XNNPACK, float32): the fastest engine for small networks, 2 us for one row of a small one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from ropewalk_server.engines import EngineError, Session

SIZES = (256, 32, 8, 1)
"""Interpreters are allocated for these row counts and a batch is cut into them: resizing costs more than it saves."""


class LiteRT:
    """A .tflite file, read once; each session has interpreters of its own over the same bytes."""

    def __init__(self, file: Path) -> None:
        self._content = file.read_bytes()
        try:
            self._build(1)
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"LiteRT cannot load the network: {error}") from error

    def session(self) -> Session:
        """A session for the calling thread; interpreters are built at their first use."""
        runners: dict[int, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {1: self._build(1)}

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            rows = len(encoded)
            if rows == 1:
                return runners[1](encoded)
            parts = []
            at = 0
            while at < rows:
                left = rows - at
                size = next((size for size in SIZES if size <= left), 1)
                if 2 <= left < 8:
                    size = 8  # one padded call is cheaper than up to seven
                if size not in runners:
                    runners[size] = self._build(size)
                part = encoded[at : at + size]
                if len(part) < size:
                    padding = np.zeros((size - len(part), *part.shape[1:]), dtype=np.float32)
                    parts.append(runners[size](np.concatenate([part, padding]))[: len(part)])
                else:
                    parts.append(runners[size](part))
                at += size
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

        return run

    def _build(self, rows: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        interpreter: Any = Interpreter(model_content=self._content, num_threads=1)
        given = interpreter.get_input_details()[0]
        shape = [rows, *[int(size) for size in given["shape"][1:]]]
        interpreter.resize_tensor_input(given["index"], shape, strict=False)
        interpreter.allocate_tensors()
        source = given["index"]
        target = interpreter.get_output_details()[0]["index"]
        set_tensor, invoke, get_tensor = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            set_tensor(source, encoded)
            invoke()
            result: NDArray[np.float32] = get_tensor(target)
            return result

        return run
