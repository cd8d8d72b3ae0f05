"""The interface of an engine: a library that runs a compiled core network.

A core takes the named inputs `x`, float32 `[N, ...]`, and, where it has any, `ids`, int32 `[N, k]`, and gives named
outputs of N rows. Converters rename and reorder both: inputs are told apart by name (`input_names`), outputs by the map
that publish proves and writes into the manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons

X, IDS, Y = "x", "ids", "y"
"""The inputs of a core, and the name of its output where it has one alone."""
Arrays = Mapping[str, NDArray[Any]]
Session = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""`x` to the only output, of a core without ids; the result is the caller's to keep."""
NamedSession = Callable[[Arrays], dict[str, NDArray[Any]]]
"""Inputs by name to outputs by name, of any core; the result is the caller's to keep."""
_PREFIX = "serving_default_"


class Engine(Protocol):
    """A loaded network. A session belongs to one thread: each thread that runs the network asks for its own."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The core's inputs: `x` alone, or `x` and `ids`."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The core's outputs; all of the file's, by its own names, if it was loaded without a map."""

    def session(self) -> Session:
        """A session for the calling thread. EngineError for a core with ids or with several outputs."""

    def named_session(self) -> NamedSession:
        """A session for the calling thread."""


class EngineError(Exception):
    """The engine cannot load this network, or may not; a CamelCase reason and a message for people."""

    def __init__(self, message: str, reason: str = reasons.NO_ENGINE) -> None:
        super().__init__(message)
        self.reason = reason


class Files(Protocol):
    """The files of a version, each checked as it is read: the checked bytes are the used ones."""

    @property
    def paths(self) -> Sequence[str]:
        """All there are, relative to the version."""

    def read(self, path: str) -> bytes:
        """The bytes of one. Raises `ropewalk_model.manifest.TamperedModel`."""


def input_names(engine: str, names: Sequence[str]) -> dict[str, int]:
    """The positions of `x` and `ids` among the inputs that the file has. EngineError for other inputs.

    TensorFlow's converters write `serving_default_x:0` for `x`. An only input is `x`, whatever its name.
    """
    if len(names) == 1:
        return {X: 0}
    found = {name.removeprefix(_PREFIX).split(":")[0]: index for index, name in enumerate(names)}
    if set(found) != {X, IDS} or len(names) != 2:
        raise EngineError(f"{engine} cannot run the network: its inputs are {list(names)}, not x, or x and ids")
    return {X: found[X], IDS: found[IDS]}


def output_names(engine: str, names: Sequence[str], wanted: Mapping[str, str] | None) -> dict[str, int]:
    """The position of each output of the core among those that the file has. EngineError where the map does not fit.

    None: all of them, by the names of the file. An empty map is that of a version without one: its only output is `y`.
    """
    if wanted is None:
        return {name: index for index, name in enumerate(names)}
    if not wanted and len(names) == 1:
        return {Y: 0}
    missing = sorted(set(wanted.values()) - set(names))
    if missing or not wanted:
        text = f"{engine} cannot run the network: its outputs are {list(names)}, the manifest's map is {dict(wanted)}"
        raise EngineError(text)
    return {name: list(names).index(theirs) for name, theirs in wanted.items()}


def plain(engine: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """EngineError unless the core has one input and one output."""
    if len(inputs) != 1 or len(outputs) != 1:
        raise EngineError(f"{engine}: the network takes {list(inputs)} and gives {list(outputs)}: call it by names")


def in_calls(call: NamedSession, arrays: Arrays, most_bytes: int) -> dict[str, NDArray[Any]]:
    """The rows in calls of at most so many bytes of input, or of one row each if a row is larger."""
    rows, size = len(arrays[X]), sum(one.nbytes for one in arrays.values())
    if rows == 1 or size <= most_bytes:
        return call(arrays)
    most = max(1, most_bytes * rows // size)
    first = call({name: one[:most] for name, one in arrays.items()})
    # Into one array: small ones that stay would keep 180 MB of heap below them that calls have given back.
    whole = {name: np.empty((rows, *one.shape[1:]), dtype=one.dtype) for name, one in first.items()}
    for at in range(0, rows, most):
        part = call({name: one[at : at + most] for name, one in arrays.items()}) if at else first
        for name, one in part.items():
            whole[name][at : at + most] = one
    return whole
