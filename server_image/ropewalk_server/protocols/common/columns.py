"""Values of one input, one a row, as an array of its wire type; what does not fit is told by row and value."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features import registry
from ropewalk_model.features.base import FeatureType
from ropewalk_model.tensor_spec import INT64_MISSING, Dtype, TensorSpec
from ropewalk_server.protocols.common.images import InvalidImage, decode_images
from ropewalk_server.protocols.common.jsonbody import shown
from ropewalk_server.protocols.common.nested import flattened

_FLOAT_MAX = float(np.finfo(np.float32).max)
_NUMBERS = ({float}, {int}, {float, int})
_TYPE_NAMES = {"FLOAT": "float", "INT64": "int64", "BOOL": "bool", "STRING": "string", "UINT8": "uint8"}
_JSON_NAMES = {
    bool: "True or False", int: "Number", float: "Number", str: "String", dict: "Object", list: "Array",
    type(None): "Null",
}  # fmt: skip


class FieldError(Exception):
    """A value that does not fit; `row` counts from 0."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


Read = Callable[[Sequence[Any]], NDArray[Any]]
"""Values of one input, one a row, to an array of its wire type. Raises FieldError."""


def reader(spec: TensorSpec) -> Read:
    """The reader of an input. Made when a model is loaded: nothing is looked up for a request."""
    if len(spec.shape) > 1:
        return _tensors(spec)
    read = partial(_READERS[spec.dtype], spec)

    def column(values: Sequence[Any]) -> NDArray[Any]:
        types = set(map(type, values))
        if type(None) in types:
            values = _fill(spec, values)
            types = set(map(type, values))
        return read(values, types)

    kind = registry.of_format(spec.format)
    return column if kind is None else _obeying(kind, column)


def _obeying(kind: FeatureType, read: Read) -> Read:
    def column(values: Sequence[Any]) -> NDArray[Any]:
        found = read(values)
        refuse_first_wrong(kind, found)
        return found

    return column


def refuse_first_wrong(kind: FeatureType, found: NDArray[Any]) -> None:
    """FieldError for the first value that does not obey the format of its feature type."""
    row = kind.first_wrong(found)
    if row is not None:
        raise FieldError(row, f"{shown(found[row])} {kind.expectation}")


def _integers(spec: TensorSpec, values: Sequence[Any], types: set[type]) -> NDArray[np.int64]:
    if types != {int}:
        raise _wrong_type(spec, values, (int,))
    try:
        integers = np.fromiter(values, dtype=np.int64, count=len(values))
    except OverflowError:
        raise _first(values, lambda one: not -(2**63) <= one < 2**63, "does not fit int64") from None
    if not spec.optional and (integers == INT64_MISSING).any():
        raise FieldError(int((integers == INT64_MISSING).argmax()), f"required input {spec.name} is missing")
    return integers


def _booleans(spec: TensorSpec, values: Sequence[Any], types: set[type]) -> NDArray[np.bool_]:
    if types != {bool}:
        raise _wrong_type(spec, values, (bool,))
    return np.fromiter(values, dtype=np.bool_, count=len(values))


def _octets(spec: TensorSpec, values: Sequence[Any], types: set[type]) -> NDArray[np.uint8]:
    if types != {int}:
        raise _wrong_type(spec, values, (int,))
    if min(values) < 0 or max(values) > 255:
        raise _first(values, lambda one: not 0 <= one <= 255, "does not fit uint8")
    return np.fromiter(values, dtype=np.uint8, count=len(values))


def _fill(spec: TensorSpec, values: Sequence[Any]) -> list[Any]:
    missing = spec.missing
    if not spec.optional or missing is None:
        row = next(index for index, value in enumerate(values) if value is None)
        raise FieldError(row, f"required input {spec.name} is missing (null)")
    return [missing if value is None else value for value in values]


def _floats(spec: TensorSpec, values: Sequence[Any], types: set[type]) -> NDArray[np.float32]:
    if types not in _NUMBERS:
        raise _wrong_type(spec, values, (int, float))
    try:
        wide = np.fromiter(values, dtype=np.float64, count=len(values))
    except OverflowError:
        raise _first(values, lambda one: abs(one) > _FLOAT_MAX, "is too large for float") from None
    if not (wide.min() >= -_FLOAT_MAX and wide.max() <= _FLOAT_MAX):
        nan = np.isnan(wide)
        if nan.any() and not spec.optional:
            raise FieldError(int(nan.argmax()), f"required input {spec.name} is NaN")
        large = np.abs(np.where(nan, 0.0, wide)) > _FLOAT_MAX
        if large.any():
            row = int(large.argmax())
            what = "is not finite" if math.isinf(wide[row]) else "cannot be converted to float without loss"
            raise FieldError(row, f"JSON Value: {shown(values[row])} {what}")
    return wide.astype(np.float32)


def _strings(spec: TensorSpec, values: Sequence[Any], types: set[type]) -> NDArray[Any]:
    if types != {str}:
        values = [_text(spec, row, value) for row, value in enumerate(values)]
    if not spec.optional and "" in values:
        raise FieldError(list(values).index(""), f"required input {spec.name} is missing (empty string)")
    words = np.empty(len(values), dtype=object)
    words[:] = values
    return words


def _text(spec: TensorSpec, row: int, value: Any) -> str:
    if type(value) is str:
        return value
    if type(value) is dict:
        try:
            return _base64(row, value).decode()
        except UnicodeDecodeError:
            raise FieldError(row, "base64 data is not UTF-8 text") from None
    raise FieldError(row, _type_message(spec, value))


def _base64(row: int, value: dict[str, Any]) -> bytes:
    text = value.get("b64")
    if len(value) != 1 or type(text) is not str:
        raise FieldError(row, f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FieldError(row, "Unable to base64 decode") from None


def _tensors(spec: TensorSpec) -> Read:
    """Inputs of more than one value a row: images as nested lists or as base64 of a PNG or of the raw bytes."""
    shape = tuple(spec.shape[1:])
    read = reader(TensorSpec(spec.name, spec.dtype))

    def nested(values: Sequence[Any]) -> NDArray[Any]:
        flat = flattened(values, shape)
        if flat is None:
            row = next(row for row, value in enumerate(values) if flattened([value], shape) is None)
            raise FieldError(row, f"expecting shape {list(shape)}, got {_shape_of(values[row])}")
        try:
            return read(flat).reshape(len(values), *shape)
        except FieldError as error:
            raise FieldError(error.row // math.prod(shape), str(error)) from None

    def pictures(values: Sequence[Any]) -> NDArray[Any]:
        return _images(shape, values, nested) if any(type(value) is dict for value in values) else nested(values)

    return pictures if spec.dtype == "UINT8" else nested


def _images(shape: tuple[int, ...], values: Sequence[Any], nested: Read) -> NDArray[np.uint8]:
    files = {row: _base64(row, value) for row, value in enumerate(values) if type(value) is dict}
    try:
        decoded = decode_images(list(files.values()), shape)
    except InvalidImage as error:
        raise FieldError(list(files)[error.row], str(error)) from None
    if len(files) == len(values):
        return decoded
    images = np.empty((len(values), *shape), dtype=np.uint8)
    images[list(files)] = decoded
    for row, value in enumerate(values):
        if row not in files:
            images[row] = nested([value])[0]
    return images


def _shape_of(value: Any) -> str:
    """The shape by first elements, as far as it goes; "ragged" differs further in."""
    shape: list[int] = []
    while type(value) is list and len(shape) < 8:
        shape.append(len(value))
        value = value[0] if value else None
    return f"{shape} or a ragged list"


def _wrong_type(spec: TensorSpec, values: Sequence[Any], allowed: tuple[type, ...]) -> FieldError:
    row = next(index for index, value in enumerate(values) if type(value) not in allowed)
    return FieldError(row, _type_message(spec, values[row]))


def _type_message(spec: TensorSpec, value: Any) -> str:
    if type(value) is list:
        return f"Encountered list, expecting one value of type: {_TYPE_NAMES[spec.dtype]}"
    name = _JSON_NAMES.get(type(value), "unknown")
    return f"JSON Value: {shown(value)} Type: {name} is not of expected type: {_TYPE_NAMES[spec.dtype]}"


def _first(values: Sequence[Any], wrong: Any, what: str) -> FieldError:
    row = next(index for index, value in enumerate(values) if wrong(value))
    return FieldError(row, f"JSON Value: {shown(values[row])} {what}")


_READERS: Mapping[Dtype, Callable[[TensorSpec, Sequence[Any], set[type]], NDArray[Any]]] = {
    "FLOAT": _floats,
    "INT64": _integers,
    "BOOL": _booleans,
    "STRING": _strings,
    "UINT8": _octets,
}
"""By dtype; the types of the values are known then."""
