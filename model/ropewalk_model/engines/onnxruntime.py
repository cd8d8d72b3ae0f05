"""ONNX Runtime: 7 to 16 % faster than LiteRT for 8 to 32 images; 8 us for one row of a small network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_model.engines.interface import (
    IDS,
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

if TYPE_CHECKING:
    from google.protobuf.message import Message

NAME = "ONNX Runtime"
DOMAINS = frozenset({"", "ai.onnx"})
"""Of the operators that a network may have: the standard's own, all of which compute. Others come from libraries, or
load them (`com.microsoft.EPContext`)."""
TYPES = {X: "tensor(float)", IDS: "tensor(int32)"}
CALL_BYTES = 1 << 18
"""Of input in one call; a larger batch is cut. The tensors in between are many times as large: beyond some megabytes
they are mapped and cleared anew in each call (256 images of 64x64x3: 114 ms, 38 ms when cut), or kept for ever."""
SILENT = 4
"""The level of fatal messages alone: errors are raised, and logged by the caller."""


def load(
    content: bytes,
    outputs: Mapping[str, str] | None = None,
    *,
    threads: int = 1,
    call_bytes: int = CALL_BYTES,
) -> ONNXRuntime:
    """The network of an .onnx file, whole in itself. EngineError; with reason ForbiddenOp for a network with other
    files or custom operators.

    `outputs`: names of the core's outputs to those of the file, None for the file's own.
    `call_bytes`: of input in one call. No arena and no plans by shape: both keep memory for each new row count (plans
    600 MB after 43 of them).
    """
    _check(content)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.load_model_format", "ONNX")  # what was checked, nothing else
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no base of their own
        raise EngineError(f"ONNX Runtime cannot load the network: {_first_line(error)}") from error
    return ONNXRuntime(session, outputs, call_bytes)


class ONNXRuntime:
    """A loaded network. One session for all threads: its `run` may be called by many at a time."""

    def __init__(self, session: Any, outputs: Mapping[str, str] | None, call_bytes: int) -> None:
        entries, exits = session.get_inputs(), session.get_outputs()
        positions = input_names(NAME, [one.name for one in entries])
        if any(entries[at].type != TYPES[name] for name, at in positions.items()) or any(
            one.type != TYPES[X] for one in exits
        ):
            raise EngineError("ONNX Runtime cannot run the network: x and its outputs must be float32, ids int32")
        self._call_bytes = call_bytes
        self._run = session.run
        self._entries = {name: entries[at].name for name, at in positions.items()}
        found = output_names(NAME, [one.name for one in exits], outputs)
        self._exits = {name: exits[at].name for name, at in found.items()}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The core's inputs."""
        return tuple(self._entries)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The core's outputs."""
        return tuple(self._exits)

    def session(self) -> Session:
        """A session for the calling thread; all are the same."""
        plain(NAME, self.inputs, self.outputs)
        call, most = self._call, self._call_bytes
        run_one, entry, exits, name = self._run, self._entries[X], list(self._exits.values()), self.outputs[0]

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            if len(encoded) != 1 and encoded.nbytes > most:
                return in_calls(call, {X: encoded}, most)[name]
            try:
                result: NDArray[np.float32] = run_one(exits, {entry: np.ascontiguousarray(encoded)})[0]
            except Exception as error:  # its errors have no base of their own
                raise RuntimeError(f"ONNX Runtime: {_first_line(error)}") from error
            return result

        return run

    def named_session(self) -> NamedSession:
        """A session for the calling thread; all are the same."""
        call, most = self._call, self._call_bytes
        return lambda arrays: in_calls(call, arrays, most)

    def _call(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        given = {theirs: np.ascontiguousarray(arrays[name]) for name, theirs in self._entries.items()}
        try:
            answer = self._run(list(self._exits.values()), given)
        except Exception as error:  # as above
            raise RuntimeError(f"ONNX Runtime: {_first_line(error)}") from error
        return dict(zip(self._exits, answer, strict=True))


def _check(content: bytes) -> None:
    """EngineError unless this is a network of standard operators with its weights inside."""
    from google.protobuf.message import DecodeError

    from ropewalk_model.engines.onnx_pb2 import ModelProto, NodeProto, TensorProto

    try:
        model = ModelProto.FromString(content)
    except DecodeError as error:
        raise EngineError(f"ONNX Runtime cannot load the network: {error}") from error
    for part in _parts(model):
        if isinstance(part, NodeProto) and part.domain not in DOMAINS:
            text = f"the network's operator {part.domain}.{part.op_type} is none of ONNX's own and is refused"
            raise EngineError(text, reasons.FORBIDDEN_OP)
        if isinstance(part, TensorProto) and (part.data_location or part.external_data):
            raise EngineError(f"the network keeps {part.name!r} in another file and is refused", reasons.FORBIDDEN_OP)


def _parts(message: Message) -> Iterator[Message]:
    """The message and all inside, in any depth (protobuf's parser takes no more than a hundred levels)."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                yield from _parts(inner)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
