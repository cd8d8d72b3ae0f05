"""TensorFlow's TensorProto to a Tensor and back (tensorflow/core/framework/tensor.proto), without TensorFlow.

Values stand in `tensor_content` as little-endian bytes, or in the field of their type, where the last one stands for
all that follow and none for zeros or empty strings (Tensor::FromProto in tensorflow/core/framework/tensor.cc). Values
in the field of another type are refused: TensorFlow would read zeros.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.signature import Dtype, TensorSpec
from ropewalk_server.protocols.common import packed, varints
from ropewalk_server.protocols.common.column_conversion import DATATYPES
from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.protocols.common.must_offload import MANY_TEXTS, few_on_the_loop
from ropewalk_server.protocols.common.oip_tensors import MAX_RANK, Tensor, check_shape, raw_to_array
from ropewalk_server.protocols.protos import tfserving_pb2 as pb

DTYPES: dict[Dtype, int] = {
    "FLOAT": 1, "DOUBLE": 2, "INT32": 3, "UINT8": 4, "INT16": 5, "INT8": 6, "STRING": 7, "INT64": 9, "BOOL": 10,
    "UINT16": 17, "HALF": 19, "UINT32": 22, "UINT64": 23,
}  # fmt: skip
"""tensorflow.DataType (tensorflow/core/framework/types.proto) of a declared type."""
_KINDS = {
    1: ("DT_FLOAT", "FP32", "float_val"),
    2: ("DT_DOUBLE", "FP64", "double_val"),
    3: ("DT_INT32", "INT32", "int_val"),
    4: ("DT_UINT8", "UINT8", "int_val"),
    5: ("DT_INT16", "INT16", "int_val"),
    6: ("DT_INT8", "INT8", "int_val"),
    7: ("DT_STRING", "BYTES", "string_val"),
    9: ("DT_INT64", "INT64", "int64_val"),
    10: ("DT_BOOL", "BOOL", "bool_val"),
    17: ("DT_UINT16", "UINT16", "int_val"),
    19: ("DT_HALF", "FP16", "half_val"),
    22: ("DT_UINT32", "UINT32", "uint32_val"),
    23: ("DT_UINT64", "UINT64", "uint64_val"),
}
_NUMBERS = {field.name: field.number for field in pb.TensorProto.DESCRIPTOR.fields}
_VALUES = frozenset(one[2] for one in _KINDS.values())
MOST_LENGTH = 5
"""Bytes of a string's length in `tensor_content`."""
MOST_SHORT_BYTES = 4 * 1024 * 1024
"""Bytes that a short form may become: as many as a body of the default size may bring."""


def read_tensor(name: str, proto: pb.TensorProto) -> Tensor:
    """The input `name`; a view of the message's bytes where it has `tensor_content`. Raises BadRequest."""
    kind = _KINDS.get(proto.dtype)
    if kind is None:
        known = ", ".join(one[0] for one in _KINDS.values())
        raise BadRequest(f"input {name[:80]}: dtype {proto.dtype} is not supported, expecting one of {known}")
    if proto.tensor_shape.unknown_rank:
        raise BadRequest(f"input {name[:80]}: the shape is unknown")
    shape = sizes_of(proto)
    try:
        check_shape(shape)
        return Tensor(kind[1], shape, _values(proto, kind, shape))
    except BadRequest as why:
        raise BadRequest(f"input {name[:80]}: {why}", why.status) from None


def sizes_of(proto: pb.TensorProto) -> tuple[int, ...]:
    """The shape, as far as it is looked at: a message has room for a million sizes."""
    return tuple([dim.size for dim in proto.tensor_shape.dim[: MAX_RANK + 1]])


def float_vector(proto: pb.TensorProto) -> bytes | None:
    """The bytes of a DT_FLOAT `[N]` with N values in one piece; None for everything else."""
    if proto.dtype != DTYPES["FLOAT"]:
        return None
    raw = proto.tensor_content
    if not raw:
        given = proto.float_val
        if len(given) != 1:
            return None
        raw = given[0]
    shape = proto.tensor_shape
    dims = shape.dim
    return raw if len(dims) == 1 and 4 * dims[0].size == len(raw) and not shape.unknown_rank else None


def _values(proto: pb.TensorProto, kind: tuple[str, str, str], shape: tuple[int, ...]) -> NDArray[Any]:
    title, datatype, field = kind
    content = proto.tensor_content
    if content:
        return _strings(content, shape) if datatype == "BYTES" else raw_to_array(datatype, shape, content)
    given = getattr(proto, field)
    count = math.prod(shape)
    if len(given) > count and field not in ("float_val", "double_val"):  # those are told apart below
        raise _wrong_count(proto, kind, shape, len(given))
    if datatype == "BYTES":
        found = packed.words(given)
    elif field in ("float_val", "double_val"):
        found = packed.floats(proto, given, _NUMBERS[field], DATATYPES[datatype])
    elif datatype == "FP16":
        found = packed.whole(given, np.dtype(np.uint16)).view(np.float16)
    else:
        found = packed.whole(given, DATATYPES[datatype])
    if len(found) == count:
        return found.reshape(shape)
    if len(found) > count or (not len(found) and _elsewhere(proto, field)):
        raise _wrong_count(proto, kind, shape, len(found))
    if count * found.itemsize > MOST_SHORT_BYTES:
        size = f"{count * found.itemsize} bytes of them, at most {MOST_SHORT_BYTES} may be left out"
        raise BadRequest(f"{title} of shape {list(shape)} has {len(found)} values for {size}: send tensor_content", 413)
    whole = np.full(count, found[-1] if len(found) else b"" if datatype == "BYTES" else 0, dtype=found.dtype)
    whole[: len(found)] = found
    return whole.reshape(shape)


def _elsewhere(proto: pb.TensorProto, field: str) -> list[str]:
    return [one.name for one, _ in proto.ListFields() if one.name in _VALUES and one.name != field]


def _wrong_count(proto: pb.TensorProto, kind: tuple[str, str, str], shape: tuple[int, ...], got: int) -> BadRequest:
    title, _, field = kind
    where = f"{got} in {field}" + "".join(f" and some in {one}" for one in _elsewhere(proto, field))
    takes = f"{title} of shape {list(shape)} takes {math.prod(shape)} values"
    return BadRequest(f"{takes}, got {where} and no tensor_content")


def _strings(content: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
    """Strings as `tensor_content`: the lengths as varints, then the strings
    (tensorflow/core/platform/tensor_coding.cc)."""
    count = math.prod(shape)
    if count > len(content):
        raise BadRequest(f"DT_STRING of shape {list(shape)} takes at least {count} bytes, got {len(content)}")
    few_on_the_loop(count, MANY_TEXTS)
    try:
        lengths, at = varints.read_many(content, count, MOST_LENGTH)
    except IndexError:
        raise BadRequest("tensor_content ends within the lengths of its strings") from None
    if sum(lengths) != len(content) - at:
        raise BadRequest(
            f"tensor_content has {len(content) - at} bytes of strings, their lengths add to {sum(lengths)}"
        )
    found = []
    for length in lengths:
        found.append(content[at : at + length])
        at += length
    return packed.words(found).reshape(shape)


def write_tensor(proto: pb.TensorProto, spec: TensorSpec, values: NDArray[Any]) -> None:
    """Fill in an output, `[rows, ...]`, in the field of its type, where upstream puts it and clients look for it."""
    proto.dtype = DTYPES[spec.dtype]
    dims = proto.tensor_shape.dim
    for size in values.shape:
        dims.add(size=size)
    if spec.dtype == "STRING":
        proto.string_val.extend([one if type(one) is bytes else one.encode() for one in values.reshape(-1)])
    elif spec.dtype == "FLOAT":
        proto.float_val.append(np.ascontiguousarray(values, dtype="<f4").tobytes())
    elif spec.dtype == "DOUBLE":
        proto.double_val.append(np.ascontiguousarray(values, dtype="<f8").tobytes())
    else:
        flat = values.reshape(-1)
        plain = flat.view(np.uint16) if spec.dtype == "HALF" else flat
        getattr(proto, _KINDS[DTYPES[spec.dtype]][2]).extend(plain.tolist())
