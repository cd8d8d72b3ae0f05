"""ONNX Runtime: 7 to 16 % faster than LiteRT for 8 to 32 images; 8 us for one row of a small network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_server.protocols.protos.onnx_pb2 import ModelProto, NodeProto, TensorProto
from ropewalk_server.serving.engines import EngineError, Session

DOMAINS = frozenset({"", "ai.onnx"})
"""Of the operators that a network may have: the standard's own, all of which compute. Others come from libraries, or
load them (`com.microsoft.EPContext`)."""
FLOATS = "tensor(float)"
CALL_BYTES = 1 << 18
"""Of input in one call; a larger batch is cut. The tensors in between are many times as large: beyond some megabytes
they are mapped and cleared anew in each call (256 images of 64x64x3: 114 ms, 38 ms when cut), or kept for ever."""
SILENT = 4
"""The level of fatal messages alone: errors are raised and logged by those who catch them."""


class ONNXRuntime:
    """An .onnx file's content, whole in itself. One session for all threads: its `run` may be called by many at a time.

    No arena and no plans by shape: both keep memory for each new row count (plans 600 MB after 43 of them).
    """

    def __init__(self, content: bytes) -> None:
        """Raises EngineError; with reason ForbiddenOp for a network with other files or custom operators."""
        _check(content)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        options.log_severity_level = SILENT
        options.add_session_config_entry("session.load_model_format", "ONNX")  # what was checked, nothing else
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no base of their own
            raise EngineError(f"ONNX Runtime cannot load the network: {_first_line(error)}") from error
        entries, exits = session.get_inputs(), session.get_outputs()
        if [one.type for one in (*entries, *exits)] != [FLOATS, FLOATS] or len(entries) != 1:
            raise EngineError("ONNX Runtime cannot run the network: it must have one float32 input and one output")
        self._call = session.run
        self._entry, self._exits = entries[0].name, [exits[0].name]

    def session(self) -> Session:
        """A session for the calling thread; all are the same."""
        call, entry, exits = self._call, self._entry, self._exits

        def one(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            try:
                result: NDArray[np.float32] = call(exits, {entry: np.ascontiguousarray(encoded)})[0]
            except Exception as error:  # as above
                raise RuntimeError(f"ONNX Runtime: {_first_line(error)}") from error
            return result

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            rows = len(encoded)
            if rows == 1 or encoded.nbytes <= CALL_BYTES:
                return one(encoded)
            most = max(1, CALL_BYTES * rows // encoded.nbytes)
            first = one(encoded[:most])
            # Into one array: small ones that stay would keep 180 MB of heap below them that calls have given back.
            result = np.empty((rows, *first.shape[1:]), dtype=np.float32)
            result[:most] = first
            for at in range(most, rows, most):
                result[at : at + most] = one(encoded[at : at + most])
            return result

        return run


def _check(content: bytes) -> None:
    """EngineError unless this is a network of standard operators with its weights inside."""
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
