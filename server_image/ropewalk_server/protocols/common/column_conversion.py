"""One input tensor to one column of the declared type: converted where nothing is lost, else refused with the value.

The rules for what is missing, too large or not finite are those of `decode`; here they work on arrays of any datatype.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features import registry
from ropewalk_model.tensor_spec import INT64_MISSING, NUMPY_DTYPES, Dtype, TensorSpec
from ropewalk_server.protocols.common.columns import FieldError, refuse_first_wrong
from ropewalk_server.protocols.common.images import InvalidImage, decode_images
from ropewalk_server.protocols.common.jsonbody import BadRequest, shown
from ropewalk_server.protocols.common.nested import flattened

DATATYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
"""The protocol's datatypes as numpy's, little-endian."""
DATATYPE_OF: Mapping[Dtype, str] = {
    "FLOAT": "FP32",
    "DOUBLE": "FP64",
    "HALF": "FP16",
    "INT8": "INT8",
    "INT16": "INT16",
    "INT32": "INT32",
    "INT64": "INT64",
    "UINT8": "UINT8",
    "UINT16": "UINT16",
    "UINT32": "UINT32",
    "UINT64": "UINT64",
    "BOOL": "BOOL",
    "STRING": "BYTES",
}
"""The datatype that inputs and outputs of a declared type are described with; others are converted."""
FLOAT_MAX = float(np.finfo(np.float32).max)
_REMEDY = {
    "FLOAT": "FP32 (or another FP or integer type)",
    "INT64": "INT64 (or another type with whole numbers)",
    "BOOL": "BOOL",
    "STRING": "BYTES",
    "UINT8": "UINT8 (or another type with whole numbers), or BYTES of a PNG",
}
Mask = NDArray[np.bool_]


def missing_column(spec: TensorSpec, rows: int) -> NDArray[Any]:
    """The column of an input that was left out. Raises FieldError where none may be missing."""
    _refuse_missing(spec, 0)
    return np.full((rows, *spec.shape[1:]), spec.missing, dtype=NUMPY_DTYPES[spec.dtype])


def to_column(spec: TensorSpec, datatype: str, shape: tuple[int, ...], data: NDArray[Any] | list[Any]) -> NDArray[Any]:
    """The column, `[rows]` or `[rows, ...]` as declared; a view of `data` where types agree.

    `data` is as in `oip_tensors.Tensor`. Raises FieldError, or BadRequest about the whole tensor.
    """
    if datatype not in DATATYPES:
        known = ", ".join(DATATYPES)
        raise BadRequest(f"input {spec.name}: datatype {shown(datatype)} is not known, expecting one of {known}")
    rows, wanted = shape[0], tuple(spec.shape[1:])
    encoded = datatype == "BYTES" and spec.dtype == "UINT8" and len(wanted) == 3
    if shape[1:] not in (((), (1,)) if encoded or not wanted else (wanted,)):
        raise BadRequest(f"input {spec.name}: expecting shape {list(spec.shape)}, got {list(shape)}")
    if isinstance(data, list):
        values, missing = _from_list(spec, datatype, shape, data)
    else:
        values, missing = data.reshape(-1), None
        if len(values) != math.prod(shape):
            raise BadRequest(f"input {spec.name}: shape {list(shape)} takes {math.prod(shape)} values, got {data.size}")
    if encoded:
        return _images(values, wanted)
    return _CONVERT[spec.dtype](spec, values, missing).reshape(rows, *wanted)


def plain_values(
    spec: TensorSpec, datatype: str, shape: tuple[int, ...], data: NDArray[Any] | list[Any]
) -> NDArray[Any]:
    """An array of the declared type, where the datatype is just that; strings are bytes. Raises BadRequest."""
    wanted = DATATYPE_OF[spec.dtype]
    if datatype != wanted:
        raise BadRequest(f"input {spec.name}: expecting datatype {wanted}, got {shown(datatype)}")
    try:
        values = _from_list(spec, datatype, shape, data)[0] if isinstance(data, list) else data.reshape(-1)
    except FieldError as error:
        raise BadRequest(f"input {spec.name}: {error}") from None
    if len(values) != math.prod(shape):
        raise BadRequest(f"input {spec.name}: shape {list(shape)} takes {math.prod(shape)} values, got {len(values)}")
    if datatype == "BYTES":
        words = np.empty(len(values), dtype=object)
        words[:] = [one.encode() if type(one) is str else one for one in values]
        values = words
    return values.reshape(shape)


def _refuse_missing(spec: TensorSpec, row: int) -> None:
    if not spec.optional or spec.missing is None:
        raise FieldError(row, f"required input {spec.name} is missing (null)")


# Lists, from JSON or from a message's fields.


def _from_list(
    spec: TensorSpec, datatype: str, shape: tuple[int, ...], data: list[Any]
) -> tuple[NDArray[Any], Mask | None]:
    """The values, flat, in the datatype's numpy type, and where they are missing."""
    flat = _flat(spec, shape, data)
    each = max(1, len(flat) // max(1, shape[0])) if shape else 1
    types = set(map(type, flat))
    missing: Mask | None = None
    if type(None) in types:
        missing = np.fromiter((one is None for one in flat), dtype=np.bool_, count=len(flat))
        _refuse_missing(spec, int(missing.argmax()) // each)
        types.discard(type(None))
        filler: Any = {"b": False, "O": ""}.get(DATATYPES[datatype].kind, 0)
        flat = [filler if one is None else one for one in flat]
    kind = DATATYPES[datatype].kind
    by_kind: Mapping[str, set[type]] = {"b": {bool}, "O": {str, bytes}, "f": {int, float}}
    allowed = by_kind.get(kind, {int})
    if not types <= allowed:
        at = next(at for at, one in enumerate(flat) if type(one) not in allowed)
        raise FieldError(at // each, f"{shown(flat[at])} is not of datatype {datatype}")
    if kind == "O":
        words = np.empty(len(flat), dtype=object)
        words[:] = flat
        return words, missing
    if kind == "b":
        return np.fromiter(flat, dtype=np.bool_, count=len(flat)), missing
    return (_reals if kind == "f" else _whole)(datatype, flat, each), missing


def _whole(datatype: str, flat: Sequence[Any], each: int) -> NDArray[Any]:
    dtype = DATATYPES[datatype]
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    if min(flat) < low or max(flat) > high:
        raise _too_large(datatype, flat, each, low, high)
    return np.fromiter(flat, dtype=dtype, count=len(flat))


def _reals(datatype: str, flat: Sequence[Any], each: int) -> NDArray[Any]:
    dtype = DATATYPES[datatype]
    high = float(np.finfo(dtype).max)
    try:
        wide = np.fromiter(flat, dtype=np.float64, count=len(flat))
    except OverflowError:
        raise _too_large(datatype, flat, each, -high, high) from None
    if beyond(wide, high) and (np.isfinite(wide) & (np.abs(wide) > high)).any():
        raise _too_large(datatype, flat, each, -high, high)
    return wide.astype(dtype)


def _too_large(datatype: str, flat: Sequence[Any], each: int, low: float, high: float) -> FieldError:
    infinite = (math.inf, -math.inf)
    at = next(at for at, one in enumerate(flat) if one not in infinite and (one < low or one > high))
    return FieldError(at // each, f"{shown(flat[at])} does not fit {datatype}")


def beyond(values: NDArray[Any], limit: float) -> bool:
    """Whether any value is NaN, infinite or beyond +-limit: one comparison covers all three."""
    low, high = np.minimum.reduce(values, axis=None), np.maximum.reduce(values, axis=None)
    return not (low >= -limit and high <= limit)


def _flat(spec: TensorSpec, shape: tuple[int, ...], data: list[Any]) -> Sequence[Any]:
    count = math.prod(shape)
    flat: Sequence[Any] | None = data
    if data and type(data[0]) is list:
        flat = flattened(data, shape[1:])
        if flat is None:
            raise BadRequest(f"input {spec.name}: data are nested otherwise than shape {list(shape)}")
    assert flat is not None
    if len(flat) != count:
        raise BadRequest(f"input {spec.name}: shape {list(shape)} takes {count} values, got {len(flat)}")
    return flat


# Arrays, by declared type.


def _refuse(spec: TensorSpec, values: NDArray[Any], wrong: Mask, what: str) -> None:
    """Raise FieldError for the first value that is wrong, if any is."""
    if wrong.any():
        raise FieldError(_row(spec, wrong), f"{shown(values[wrong.argmax()].item())} {what}")


def _wrong_type(spec: TensorSpec, values: NDArray[Any]) -> BadRequest:
    name = next((name for name, dtype in DATATYPES.items() if dtype == values.dtype), str(values.dtype))
    return BadRequest(f"input {spec.name}: datatype {name} cannot be converted, send {_REMEDY[spec.dtype]}")


def _floats(spec: TensorSpec, values: NDArray[Any], missing: Mask | None) -> NDArray[np.float32]:
    if values.dtype.kind not in "iuf":
        raise _wrong_type(spec, values)
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    if values.dtype.kind == "f" and beyond(values, FLOAT_MAX):
        nan = np.isnan(values)
        if nan.any() and (not spec.optional or len(spec.shape) > 1):
            raise FieldError(_row(spec, nan), f"required input {spec.name} is NaN")
        _refuse(spec, values, np.isinf(values), "is not finite")
        _refuse(spec, values, np.abs(values) > FLOAT_MAX, "cannot be converted to FP32 without loss")
    found = values.astype(np.float32, copy=missing is not None)
    if missing is not None:
        found[missing] = np.nan
    return found


def _row(spec: TensorSpec, wrong: Mask) -> int:
    return int(wrong.argmax()) // max(1, math.prod(spec.shape[1:]))


def _integers(spec: TensorSpec, values: NDArray[Any], missing: Mask | None) -> NDArray[np.int64]:
    kind = values.dtype.kind
    if kind not in "iuf":
        raise _wrong_type(spec, values)
    if kind == "f":
        nan = np.isnan(values)
        if nan.any():
            if not spec.optional:
                raise FieldError(_row(spec, nan), f"required input {spec.name} is NaN")
            missing = nan if missing is None else missing | nan
            values = np.where(nan, values.dtype.type(0), values)
        _refuse(spec, values, ~np.isfinite(values) | (values != np.trunc(values)), "is not a whole number")
        wide = values.astype(np.float64)
        _refuse(spec, values, (wide < -(2.0**63)) | (wide >= 2.0**63), "does not fit INT64")
    elif values.dtype == np.uint64:
        _refuse(spec, values, values > np.iinfo(np.int64).max, "does not fit INT64")
    found = values.astype(np.int64, copy=missing is not None)
    if missing is not None:
        found[missing] = INT64_MISSING
    if not spec.optional:
        absent = found == INT64_MISSING
        if absent.any():
            raise FieldError(_row(spec, absent), f"required input {spec.name} is missing")
    return found


def _booleans(spec: TensorSpec, values: NDArray[Any], missing: Mask | None) -> NDArray[np.bool_]:
    if values.dtype.kind != "b":
        raise _wrong_type(spec, values)
    return values


def _octets(spec: TensorSpec, values: NDArray[Any], missing: Mask | None) -> NDArray[np.uint8]:
    if values.dtype.kind not in "iuf":
        raise _wrong_type(spec, values)
    if values.dtype != np.uint8:
        _refuse(spec, values, ~((values >= 0) & (values <= 255)), "does not fit UINT8 (0 to 255)")
        _refuse(spec, values, values != np.trunc(values), "is not a whole number")
    return values.astype(np.uint8, copy=False)


def _strings(spec: TensorSpec, values: NDArray[Any], missing: Mask | None) -> NDArray[Any]:
    if values.dtype.kind != "O":
        raise _wrong_type(spec, values)
    words = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        try:
            words[row] = value if type(value) is str else value.decode()
        except UnicodeDecodeError:
            raise FieldError(row, "is not UTF-8 text") from None
        if not words[row] and not spec.optional:
            raise FieldError(row, f"required input {spec.name} is missing (empty string)")
    kind = registry.of_format(spec.format)
    if kind is not None:
        refuse_first_wrong(kind, words)
    return words


def _images(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        return decode_images([one.encode() if type(one) is str else one for one in values], shape)
    except InvalidImage as error:
        raise FieldError(error.row, str(error)) from None


_CONVERT: Mapping[Dtype, Callable[[TensorSpec, NDArray[Any], Mask | None], NDArray[Any]]] = {
    "FLOAT": _floats,
    "INT64": _integers,
    "BOOL": _booleans,
    "UINT8": _octets,
    "STRING": _strings,
}
