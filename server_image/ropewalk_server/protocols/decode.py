"""JSON values to columns of the declared types, strictly: what would be guessed elsewhere is an error here.

numpy alone would take "1.5" for 1.5, True for 1 and None for NaN; so types are looked at first, all values at
once, and the slow path runs only to find words for an error or to fill in missing values.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.signature import INT64_MISSING, Signature, TensorSpec
from ropewalk_server.protocols import numbers
from ropewalk_server.protocols.batch import Batch
from ropewalk_server.protocols.images import InvalidImage, decode_image
from ropewalk_server.protocols.jsonbody import BadRequest, shown
from ropewalk_server.protocols.nested import flattened

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


class Decoder:
    """Decodes the two forms of a predict request for one signature. Immutable, shared between threads."""

    def __init__(self, signature: Signature) -> None:
        self.specs = signature.inputs
        self.names = tuple(spec.name for spec in self.specs)
        self._keys = frozenset(self.names)
        self._pick = itemgetter(*self.names) if len(self.names) > 1 else None
        self.floats_only = all(spec.dtype == "FLOAT" and len(spec.shape) == 1 for spec in self.specs)
        only = self.specs[0] if len(self.specs) == 1 else None
        self._tensor = only if only and only.dtype == "FLOAT" and len(only.shape) > 1 else None
        self._optional = np.array([spec.optional for spec in self.specs], dtype=bool)

    def decode_numbers(self, body: bytes, max_rows: int) -> tuple[Batch, bool] | None:
        """As `decode`, from the bytes of a request of numbers only; None for one that needs the careful way."""
        if self._tensor is not None:
            for key, row_form in (("instances", True), ("inputs", False)):
                if body.find(key.encode(), 0, 16) >= 0:
                    matrix = numbers.rows(body, key, self._tensor.shape[1:], max_rows)
                    if matrix is not None:
                        return Batch(len(matrix), self.names, columns={self.names[0]: matrix}), row_form
        elif self.floats_only and body.find(b"inputs", 0, 16) >= 0:
            matrix = numbers.columns(body, "inputs", self.names, max_rows)
            if matrix is not None:
                return Batch(len(matrix), self.names, matrix=matrix), False
        return None

    def decode(self, document: dict[str, Any], max_rows: int) -> tuple[Batch, bool]:
        """The batch, and whether the request was in row form. Raises BadRequest."""
        if "instances" in document:
            if "inputs" in document:
                raise BadRequest("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
            return self._instances(document["instances"], max_rows), True
        if "inputs" in document:
            return self._inputs(document["inputs"], max_rows), False
        raise BadRequest("Missing 'inputs' or 'instances' key")

    # {"instances": [{...}, ...]}

    def _instances(self, instances: Any, max_rows: int) -> Batch:
        if type(instances) is not list:
            raise BadRequest("Expecting 'instances' to be a list/array")
        if not instances:
            raise BadRequest("No values in 'instances' array")
        _check_rows(len(instances), max_rows)
        rows: list[tuple[Any, ...]]
        if type(instances[0]) is dict and not self._is_plain(instances[0]):
            rows = self._named_rows(instances)
        elif len(self.specs) > 1:
            raise BadRequest(
                "instances is a plain list, but expecting list of objects as multiple input tensors required: "
                + ", ".join(self.names)
            )
        else:
            for index, value in enumerate(instances):
                if type(value) is dict and not self._is_plain(value):
                    raise BadRequest(f"Expecting value/list but got object at item {index} of input list")
            rows = [(value,) for value in instances]
        if self.floats_only:
            batch = self._float_matrix(rows)
            if batch is not None:
                return batch
        columns = {}
        for spec, values in zip(self.specs, zip(*rows, strict=True), strict=True):
            try:
                columns[spec.name] = column(spec, values)
            except FieldError as error:
                raise BadRequest(
                    f"Failed to process element: {error.row} key: {spec.name} of 'instances' list. Error: {error}"
                ) from None
        return Batch(len(rows), self.names, columns=columns)

    def _is_plain(self, value: Any) -> bool:
        """Whether an object is a value itself, {"b64": ...}, and not a row."""
        return type(value) is dict and value.keys() == {"b64"} and "b64" not in self._keys

    def _named_rows(self, instances: list[Any]) -> list[tuple[Any, ...]]:
        keys, pick = self._keys, self._pick
        try:
            if all([row.keys() == keys for row in instances]):  # noqa: C419  (a list is a third faster here)
                if pick is None:
                    name = self.names[0]
                    return [(row[name],) for row in instances]
                return list(map(pick, instances))
        except AttributeError:
            pass
        return [self._sparse_row(index, row) for index, row in enumerate(instances)]

    def _sparse_row(self, index: int, row: Any) -> tuple[Any, ...]:
        if type(row) is not dict:
            raise BadRequest(f"Expecting object but got list at item {index} of input list")
        for name in row:
            if name not in self._keys:
                raise BadRequest(
                    f"Failed to process element: {index} key: {name[:80]} of 'instances' list. "
                    f"Error: JSON object: does not have named input: {name[:80]}"
                )
        for spec in self.specs:
            if spec.name not in row and not spec.optional:
                raise BadRequest(
                    f"Failed to process element: {index} key: {spec.name} of 'instances' list. "
                    f"Error: required input {spec.name} is missing"
                )
        return tuple(row.get(name) for name in self.names)

    def _float_matrix(self, rows: list[tuple[Any, ...]]) -> Batch | None:
        """All values in one pass; None if any needs a second look, for its words or for its missing value."""
        if len(rows) == 1:
            flat: Sequence[Any] = rows[0]
        else:
            flat = list(chain.from_iterable(rows))
        if set(map(type, flat)) not in _NUMBERS:
            return None
        try:
            wide = np.fromiter(flat, dtype=np.float64, count=len(flat))
        except OverflowError:
            return None
        # min and max are NaN if any value is: one comparison covers NaN, infinities and what float32 cannot hold.
        if not (wide.min() >= -_FLOAT_MAX and wide.max() <= _FLOAT_MAX):
            return None
        return Batch(len(rows), self.names, matrix=wide.astype(np.float32).reshape(len(rows), -1))

    # {"inputs": {"name": [...], ...}}

    def _inputs(self, inputs: Any, max_rows: int) -> Batch:
        if type(inputs) is not dict or self._is_plain(inputs):
            if len(self.specs) > 1:
                raise BadRequest(
                    "inputs is a plain value/list, but expecting an object as multiple input tensors required: "
                    + ", ".join(self.names)
                )
            inputs = {self.names[0]: inputs}
        for name in inputs:
            if name not in self._keys:
                raise BadRequest(f"JSON object: does not have named input: {name[:80]}")
        rows: int | None = None
        for spec in self.specs:
            values = inputs.get(spec.name)
            if values is None:
                if not spec.optional:
                    raise BadRequest(f"Missing named input: {spec.name} in 'inputs' object.")
                continue
            if type(values) is not list:
                raise BadRequest(f"input {spec.name}: expecting a list with one value a row, got {shown(values)}")
            if rows is None:
                rows = len(values)
            elif len(values) != rows:
                raise BadRequest(f"input {spec.name}: has {len(values)} rows, expecting {rows}")
        if not rows:
            raise BadRequest("No values in 'inputs' object")
        _check_rows(rows, max_rows)
        columns = {}
        for spec in self.specs:
            given = inputs.get(spec.name)
            try:
                columns[spec.name] = column(spec, [None] * rows if given is None else given)
            except FieldError as error:
                raise BadRequest(f"input {spec.name}: row {error.row}: {error}") from None
        return Batch(rows, self.names, columns=columns)


def _check_rows(rows: int, max_rows: int) -> None:
    if rows > max_rows:
        raise BadRequest(f"The request has {rows} rows, at most {max_rows} are allowed", 413)


def column(spec: TensorSpec, values: Sequence[Any]) -> NDArray[Any]:
    """Values of one input, one a row, as an array of its wire type. Raises FieldError."""
    if len(spec.shape) > 1:
        return _tensors(spec, values)
    types = set(map(type, values))
    if type(None) in types:
        values = _fill(spec, values)
        types = set(map(type, values))
    if spec.dtype == "FLOAT":
        return _floats(spec, values, types)
    if spec.dtype == "INT64":
        if types != {int}:
            raise _wrong_type(spec, values, (int,))
        try:
            integers = np.fromiter(values, dtype=np.int64, count=len(values))
        except OverflowError:
            raise _first(values, lambda one: not -(2**63) <= one < 2**63, "does not fit int64") from None
        if not spec.optional and (integers == INT64_MISSING).any():
            raise FieldError(int((integers == INT64_MISSING).argmax()), f"required input {spec.name} is missing")
        return integers
    if spec.dtype == "BOOL":
        if types != {bool}:
            raise _wrong_type(spec, values, (bool,))
        return np.fromiter(values, dtype=np.bool_, count=len(values))
    if spec.dtype == "STRING":
        return _strings(spec, values, types)
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


def _tensors(spec: TensorSpec, values: Sequence[Any]) -> NDArray[Any]:
    """Inputs of more than one value a row: images as nested lists or as base64 of a PNG or of the raw bytes."""
    shape = tuple(spec.shape[1:])
    if spec.dtype == "UINT8" and any(type(value) is dict for value in values):
        images = np.empty((len(values), *shape), dtype=np.uint8)
        for row, value in enumerate(values):
            if type(value) is dict:
                try:
                    images[row] = decode_image(_base64(row, value), shape)
                except InvalidImage as error:
                    raise FieldError(row, str(error)) from None
            else:
                images[row] = _tensors(spec, [value])[0]
        return images
    flat = flattened(values, shape)
    if flat is None:
        row = next(row for row, value in enumerate(values) if flattened([value], shape) is None)
        raise FieldError(row, f"expecting shape {list(shape)}, got {_shape_of(values[row])}")
    try:
        return column(TensorSpec(spec.name, spec.dtype), flat).reshape(len(values), *shape)
    except FieldError as error:
        raise FieldError(error.row // math.prod(shape), str(error)) from None


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
