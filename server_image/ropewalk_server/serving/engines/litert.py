"""LiteRT (XNNPACK, float32): the fastest engine for small networks, 2 us for one row of a small one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from ropewalk_server.serving.engines import EngineError, Session

SIZES = (1024, 512, 256, 128, 64, 32, 16, 8, 1)
"""Interpreters are allocated for these row counts and a batch is cut into them: resizing costs more than it saves.
Each is built when it is first wanted; all of them take twice the memory of the largest."""
MAX_ARENA = 4 << 20
"""Bytes that all tensors of one interpreter may take: the larger sizes are for small networks."""
FULL_ENOUGH = 0.6
"""From this share on a call is padded with rows of zeros rather than cut into smaller ones."""


class LiteRT:
    """A .tflite file's content; each session has interpreters of its own over the same bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        try:
            self._sizes = _sizes(self._interpreter(1))
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"LiteRT cannot load the network: {error}") from error

    def session(self) -> Session:
        """A session for the calling thread; interpreters are built at their first use."""
        runners: dict[int, Session] = {1: self._build(1)}
        padded: dict[int, NDArray[np.float32]] = {}

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            rows = len(encoded)
            if rows == 1:
                return runners[1](encoded)
            parts = []
            at = 0
            while at < rows:
                size = call_size(rows - at, self._sizes)
                if size not in runners:
                    runners[size] = self._build(size)
                part = encoded[at : at + size]
                if len(part) < size:
                    # One buffer a size, used again: what is left in it from before is computed and thrown away.
                    if size not in padded:
                        padded[size] = np.zeros((size, *part.shape[1:]), dtype=np.float32)
                    padded[size][: len(part)] = part
                    parts.append(runners[size](padded[size])[: len(part)])
                else:
                    parts.append(runners[size](part))
                at += size
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

        return run

    def _interpreter(self, rows: int) -> Any:
        interpreter: Any = Interpreter(model_content=self._content, num_threads=1)
        given = interpreter.get_input_details()[0]
        shape = [rows, *[int(size) for size in given["shape"][1:]]]
        interpreter.resize_tensor_input(given["index"], shape, strict=False)
        interpreter.allocate_tensors()
        return interpreter

    def _build(self, rows: int) -> Session:
        interpreter = self._interpreter(rows)
        source = interpreter.get_input_details()[0]["index"]
        target = interpreter.get_output_details()[0]["index"]
        set_tensor, invoke, get_tensor = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            set_tensor(source, encoded)
            invoke()
            result: NDArray[np.float32] = get_tensor(target)
            return result

        return run


def call_size(left: int, sizes: Sequence[int]) -> int:
    """Rows of the next call where `left` are to be computed, padding included; `sizes` begin with the largest."""
    above = min((size for size in sizes if size >= left), default=None)
    if above is not None and (left >= FULL_ENOUGH * above or 1 < left < 8):  # one padded call beats up to seven
        return above
    return next(size for size in sizes if size <= left)


def _sizes(interpreter: Any) -> tuple[int, ...]:
    """Those of SIZES in which the network's tensors fit MAX_ARENA; `interpreter` is allocated for one row."""
    weights = interpreter.get_tensor_details()
    row = sum(int(np.prod(one["shape"])) * 4 for one in weights if len(one["shape"]) > 1 and one["shape"][0] == 1)
    return tuple(size for size in SIZES if size == 1 or size * row <= MAX_ARENA)
