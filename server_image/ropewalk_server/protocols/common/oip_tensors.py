"""Named tensors, as the Open Inference Protocol and gRPC have them: to a Batch and back, and their bytes.

A protocol reads a request into `Tensor`s; here they become columns of the declared types, by the rules of the
TensorFlow Serving decoder, so that the same row gets the same answer however it arrives.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.signature import Signature
from ropewalk_server.protocols.common.column_conversion import (
    DATATYPE_OF,
    DATATYPES,
    FLOAT_MAX,
    beyond,
    missing_column,
    to_column,
)
from ropewalk_server.protocols.common.columns import FieldError
from ropewalk_server.protocols.common.jsonbody import BadRequest, shown
from ropewalk_server.protocols.common.must_offload import MANY_TEXTS, few_on_the_loop
from ropewalk_server.protocols.common.named_tensors import TensorsDecoder, from_tensors
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.model import Model

MAX_RANK = 8
_LENGTH = struct.Struct("<I")


class Tensor(NamedTuple):
    """Values of one `datatype` (BOOL, UINT8..UINT64, INT8..INT64, FP16, FP32, FP64, BYTES) and `shape`, rows first.

    `data` is an array of the datatype's numpy type (BYTES: object, of bytes or str) or a list, flat in row-major order
    or nested as the shape says; None in a list is a missing value.
    """

    datatype: str
    shape: tuple[int, ...]
    data: NDArray[Any] | list[Any]


def batch_of(model: Model, inputs: Mapping[str, Tensor], max_rows: int) -> Batch:
    """The rows of a request. A scalar input is `[N]` or `[N, 1]`. An optional input may be absent.

    Raises BadRequest (413 for too many rows) with the input's name, the value and what would be right. The columns
    are views of the tensors' memory where the types agree.
    """
    if isinstance(model.decoder, TensorsDecoder):
        for name, one in inputs.items():
            try:
                check_shape(one.shape)
            except BadRequest as why:
                raise BadRequest(f"input {name[:80]}: {why}") from None
        return from_tensors(model.decoder, inputs, max_rows)
    specs = model.signature.inputs
    names = model.decoder.names
    check_names(model, inputs)
    rows = _rows(model.signature, inputs)
    model.decoder.check_rows(rows, max_rows)
    if model.decoder.floats_only and len(specs) > 1:
        matrix = _matrix(names, inputs, rows)
        if matrix is not None:
            return Batch(rows, names, matrix=matrix)
    columns = {}
    for spec in specs:
        tensor = inputs.get(spec.name)
        try:
            if tensor is None:
                columns[spec.name] = missing_column(spec, rows)
            else:
                columns[spec.name] = to_column(spec, tensor.datatype, tensor.shape, tensor.data)
        except FieldError as error:
            raise BadRequest(f"input {spec.name}: row {error.row}: {error}") from None
    return Batch(rows, names, columns=columns)


def check_names(model: Model, given: Iterable[str]) -> None:
    """Raises BadRequest for the first that is no input; before they are read, since a body has room for 200,000."""
    names = model.decoder.names
    known = frozenset(names)
    whose = "signature" if isinstance(model.decoder, TensorsDecoder) else "model"
    for name in given:
        if name not in known:
            raise BadRequest(f"input {name[:80]!r} is none of this {whose}'s inputs: {', '.join(names)}"[:2000])


def check_words(model: Model, name: str, datatype: str, shape: Sequence[int], max_rows: int) -> None:
    """Refuse more BYTES than there may be rows before they are parted, which takes 0.3 us each. Raises BadRequest."""
    plain = len(shape) <= MAX_RANK and {int}.issuperset(map(type, shape))  # any other is for check_shape
    if datatype == "BYTES" and plain and not isinstance(model.decoder, TensorsDecoder):
        try:
            model.decoder.check_rows(math.prod(shape), max_rows)
        except BadRequest as why:
            raise BadRequest(f"input {name[:80]}: {why}", why.status) from None


def _matrix(names: Sequence[str], inputs: Mapping[str, Tensor], rows: int) -> NDArray[np.float32] | None:
    """float32 [rows, inputs] of finite numbers in one pass; None if any needs a second look."""
    if len(inputs) != len(names):
        return None
    tensors = [inputs[name] for name in names]
    for tensor in tensors:
        if tensor.datatype not in ("FP32", "FP64") or tensor.shape not in ((rows,), (rows, 1)):
            return None
    data = [tensor.data for tensor in tensors]
    if all([type(one) is list and len(one) == rows for one in data]):  # noqa: C419  (a list is a third faster here)
        flat = list(chain.from_iterable(data))
        if not {int, float}.issuperset(map(type, flat)):
            return None
        try:
            wide: NDArray[Any] = np.fromiter(flat, dtype=np.float64, count=len(flat))
        except OverflowError:
            return None
    elif all([type(one) is np.ndarray and one.size == rows for one in data]):  # noqa: C419
        wide = np.concatenate(data, axis=None)
    else:
        return None
    if beyond(wide, FLOAT_MAX):
        return None
    return np.ascontiguousarray(wide.reshape(len(names), rows).T, dtype=np.float32)


def _rows(signature: Signature, inputs: Mapping[str, Tensor]) -> int:
    """The number of rows that all tensors agree on, at least one. Raises BadRequest."""
    rows: int | None = None
    for spec in signature.inputs:
        tensor = inputs.get(spec.name)
        if tensor is None:
            if not spec.optional:
                wanted = DATATYPE_OF[spec.dtype]
                raise BadRequest(f"input {spec.name} is missing: send {wanted} of shape {list(spec.shape)}")
            continue
        try:
            check_shape(tensor.shape)
        except BadRequest as why:
            raise BadRequest(f"input {spec.name}: {why}") from None
        if not tensor.shape:
            raise BadRequest(f"input {spec.name}: shape [] has no rows, expecting {list(spec.shape)}")
        if rows is None:
            rows = tensor.shape[0]
        elif tensor.shape[0] != rows:
            raise BadRequest(f"input {spec.name}: has {tensor.shape[0]} rows, other inputs have {rows}")
    if not rows:
        raise BadRequest("The request has no rows")
    return rows


def check_shape(shape: Sequence[Any]) -> None:
    """A shape is at most 8 sizes from 0 on. Raises BadRequest."""
    for size in shape:
        if type(size) is not int or not 0 <= size < 1 << 40:
            raise BadRequest(f"shape {_listed(shape)} has {shown(size)}, which is not a size from 0 on")
    if len(shape) > MAX_RANK:
        raise BadRequest(f"shape {_listed(shape)} has more than {MAX_RANK} sizes")


def _listed(shape: Sequence[Any]) -> str:
    return f"[{', '.join(shown(size) for size in shape[:MAX_RANK])}]"


def names_of_outputs(signature: Signature, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The outputs to answer with, in the order asked for; all where none are asked for. Raises BadRequest."""
    known = tuple(spec.name for spec in signature.outputs)
    if not wanted:
        return known
    for name in wanted:
        if name not in known:
            raise BadRequest(f"output {name[:80]!r} is none of this model's outputs: {', '.join(known)}")
    if len(set(wanted)) < len(wanted):
        raise BadRequest("An output is asked for twice")
    return tuple(wanted)


def outputs_of(signature: Signature, core: NDArray[np.float32], wanted: list[str] | None) -> list[Tensor]:
    """The answer's tensors, one for each of `names_of_outputs(signature, wanted)`; BYTES are str. Raises BadRequest."""
    names = names_of_outputs(signature, wanted)
    answer = signature.answer(core)
    datatypes = {spec.name: DATATYPE_OF[spec.dtype] for spec in signature.outputs}
    return [Tensor(datatypes[name], answer[name].shape, answer[name]) for name in names]


def raw_to_array(datatype: str, shape: Sequence[int], raw: bytes | memoryview) -> NDArray[Any]:
    """Little-endian bytes as an array: a read-only view of them, BYTES excepted (object, of bytes). Raises BadRequest.

    BYTES are elements of a 4-byte length and that many bytes each
    (https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md). Many of them
    raise MustOffload.
    """
    check_shape(shape)
    if datatype == "BYTES":
        return _elements(shape, memoryview(raw))
    dtype = DATATYPES.get(datatype)
    if dtype is None:
        raise BadRequest(f"datatype {shown(datatype)} is not known, expecting one of {', '.join(DATATYPES)}")
    wanted = math.prod(shape) * dtype.itemsize
    if len(raw) != wanted:
        raise BadRequest(f"{datatype} of shape {list(shape)} takes {wanted} bytes, got {len(raw)}")
    if datatype == "BOOL":
        octets = np.frombuffer(raw, dtype=np.uint8)
        if octets.size and octets.max() > 1:
            raise BadRequest(f"BOOL is one byte a value, 0 or 1, got {int(octets.max())}")
    return np.frombuffer(raw, dtype=dtype).reshape(tuple(shape))


def _elements(shape: Sequence[int], raw: memoryview) -> NDArray[Any]:
    count = math.prod(shape)
    if count * _LENGTH.size > len(raw):
        raise BadRequest(f"BYTES of shape {list(shape)} take at least {count * _LENGTH.size} bytes, got {len(raw)}")
    few_on_the_loop(count, MANY_TEXTS)
    found = np.empty(count, dtype=object)
    at = 0
    for index in range(count):
        end = at + _LENGTH.size
        if end > len(raw):
            raise BadRequest(f"BYTES end within element {index} of {count}")
        (length,) = _LENGTH.unpack_from(raw, at)
        at = end + length
        if at > len(raw):
            raise BadRequest(f"BYTES element {index} has length {length}, {len(raw) - end} bytes are left")
        found[index] = bytes(raw[end:at])
    if at != len(raw):
        raise BadRequest(f"BYTES of shape {list(shape)} end after {at} bytes, got {len(raw)}")
    return found.reshape(tuple(shape))


def array_to_raw(tensor: Tensor) -> bytes:
    """Inverse of `raw_to_array`; str elements are written as UTF-8."""
    if tensor.datatype == "BYTES":
        flat = np.asarray(tensor.data, dtype=object).reshape(-1).tolist()
        octets = [one.encode() if isinstance(one, str) else one for one in flat]
        return b"".join([part for one in octets for part in (_LENGTH.pack(len(one)), one)])
    return np.ascontiguousarray(tensor.data, dtype=DATATYPES[tensor.datatype]).tobytes()
