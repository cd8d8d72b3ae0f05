"""LiteRT (XNNPACK, float32): the fastest engine for small networks, 2 us for one row of a small one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.engines.interface import (
    Arrays,
    EngineError,
    NamedSession,
    Session,
    input_names,
    output_names,
    plain,
)

NAME = "LiteRT"
SIZES = (1024, 512, 256, 128, 64, 32, 16, 8, 1)
"""Interpreters are allocated for these row counts and a batch is cut into them: resizing costs more than it saves.
Each is built when it is first wanted; all of them take twice the memory of the largest."""
MAX_ARENA = 4 << 20
"""Bytes that all tensors of one interpreter may take: the larger sizes are for small networks."""
FULL_ENOUGH = 0.6
"""From this share on a call is padded with rows of zeros rather than cut into smaller ones."""
Build = Callable[[], Any]
Run = Callable[[Sequence[NDArray[Any]]], list[NDArray[Any]]]
"""Inputs to outputs, in the order of the engine's names."""


def load(
    content: bytes,
    outputs: Mapping[str, str] | None = None,
    *,
    threads: int = 1,
    sizes: Sequence[int] = SIZES,
    max_arena: int = MAX_ARENA,
) -> LiteRT:
    """The network of a .tflite file. Raises EngineError.

    `outputs`: names of the core's outputs to those of the file, None for the file's own.
    A batch is cut into calls of `sizes` rows, the largest first, 1 last, whose tensors fit into `max_arena` bytes.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        return LiteRT(lambda: Interpreter(model_content=content, num_threads=threads), outputs, sizes, max_arena)
    except (ValueError, RuntimeError) as error:
        raise EngineError(f"LiteRT cannot load the network: {error}") from error


class LiteRT:
    """A loaded network; each session has interpreters of its own over the same bytes.

    Four threads on one interpreter: most calls raise, and some answers are silently wrong (measured).
    """

    def __init__(self, build: Build, outputs: Mapping[str, str] | None, sizes: Sequence[int], max_arena: int) -> None:
        self._new = build
        first = self._interpreter(1)
        self._entries = input_names(NAME, [one["name"] for one in first.get_input_details()])
        self._exits = output_names(NAME, [one["name"] for one in first.get_output_details()], outputs)
        self._sizes = _fitting(first, sizes, max_arena)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The core's inputs."""
        return tuple(self._entries)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The core's outputs."""
        return tuple(self._exits)

    def session(self) -> Session:
        """A session for the calling thread; interpreters are built at their first use."""
        plain(NAME, self.inputs, self.outputs)
        calls = _Calls(self._interpreter, self._run, self._sizes)
        interpreter = calls.interpreter(1)
        source = interpreter.get_input_details()[0]["index"]
        target = interpreter.get_output_details()[0]["index"]
        set_tensor, invoke, get_tensor = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            if len(encoded) != 1:
                return calls.run((encoded,))[0]
            set_tensor(source, encoded)
            invoke()
            result: NDArray[np.float32] = get_tensor(target)
            return result

        return run

    def named_session(self) -> NamedSession:
        """A session for the calling thread; interpreters are built at their first use."""
        calls = _Calls(self._interpreter, self._run, self._sizes)
        inputs, outputs = self.inputs, self.outputs

        def run(arrays: Arrays) -> dict[str, NDArray[Any]]:
            return dict(zip(outputs, calls.run([arrays[name] for name in inputs]), strict=True))

        return run

    def _interpreter(self, rows: int) -> Any:
        interpreter: Any = self._new()
        for given in interpreter.get_input_details():
            shape = [rows, *[int(size) for size in given["shape"][1:]]]
            interpreter.resize_tensor_input(given["index"], shape, strict=False)
        interpreter.allocate_tensors()
        return interpreter

    def _run(self, interpreter: Any) -> Run:
        entries, exits = interpreter.get_input_details(), interpreter.get_output_details()
        sources = [entries[at]["index"] for at in self._entries.values()]
        targets = [exits[at]["index"] for at in self._exits.values()]
        set_tensor, invoke, get_tensor = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

        def run(given: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
            for source, one in zip(sources, given, strict=True):
                set_tensor(source, one)
            invoke()
            return [get_tensor(target) for target in targets]

        return run


class _Calls:
    """One thread's calls: an interpreter for each size, and a batch cut into such calls."""

    def __init__(self, build: Callable[[int], Any], run: Callable[[Any], Run], sizes: Sequence[int]) -> None:
        self._build, self._run_of, self._sizes = build, run, sizes
        self._interpreters: dict[int, Any] = {}
        self._runs: dict[int, Run] = {}
        self._padded: dict[int, list[NDArray[Any]]] = {}

    def interpreter(self, size: int) -> Any:
        """The interpreter of so many rows."""
        if size not in self._interpreters:
            self._interpreters[size] = self._build(size)
            self._runs[size] = self._run_of(self._interpreters[size])
        return self._interpreters[size]

    def run(self, given: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs of all rows."""
        rows, at = len(given[0]), 0
        parts: list[list[NDArray[Any]]] = []
        while at < rows:
            size = call_size(rows - at, self._sizes)
            self.interpreter(size)
            part = [one[at : at + size] for one in given]
            left = len(part[0])
            if left < size:
                answer = self._runs[size](self._pad(part, size))
                parts.append([one[:left] for one in answer])
            else:
                parts.append(self._runs[size](part))
            at += size
        return parts[0] if len(parts) == 1 else [np.concatenate(one) for one in zip(*parts, strict=True)]

    def _pad(self, part: Sequence[NDArray[Any]], size: int) -> list[NDArray[Any]]:
        """The rows in one buffer a size, used again: its rows of an earlier call are computed and thrown away."""
        if size not in self._padded:
            self._padded[size] = [np.zeros((size, *one.shape[1:]), dtype=one.dtype) for one in part]
        for buffer, one in zip(self._padded[size], part, strict=True):
            buffer[: len(one)] = one
        return self._padded[size]


def call_size(left: int, sizes: Sequence[int]) -> int:
    """Rows of the next call where `left` are to be computed, padding included; `sizes` begin with the largest."""
    above = min((size for size in sizes if size >= left), default=None)
    if above is not None and (left >= FULL_ENOUGH * above or 1 < left < 8):  # one padded call beats up to seven
        return above
    return next(size for size in sizes if size <= left)


def _fitting(interpreter: Any, sizes: Sequence[int], max_arena: int) -> tuple[int, ...]:
    """The sizes in which the network's tensors fit; `interpreter` is allocated for one row."""
    tensors = interpreter.get_tensor_details()
    row = sum(int(np.prod(one["shape"])) * 4 for one in tensors if len(one["shape"]) > 1 and one["shape"][0] == 1)
    return tuple(size for size in sizes if size == 1 or size * row <= max_arena)
