"""JSON values to columns of the declared types, strictly: what would be guessed elsewhere is an error here.

numpy alone would take "1.5" for 1.5, True for 1 and None for NaN; so types are looked at first, all values at
once, and the slow path runs only to find words for an error or to fill in missing values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import png
from ropewalk_model.signature import NUMPY_DTYPES, Signature
from ropewalk_server import native
from ropewalk_server.protocols.common.columns import FieldError, Read, reader
from ropewalk_server.protocols.common.jsonbody import BadRequest, shown
from ropewalk_server.protocols.common.numbers import Reader
from ropewalk_server.serving.batch import Batch

_FLOAT_MAX = float(np.finfo(np.float32).max)
_NUMBERS = ({float}, {int}, {float, int})


def bound_rows(rows: int, max_rows: int, memory: str) -> None:
    """BadRequest with status 413 if there are more than may be, by the limits or by the `memory` that is meant."""
    if rows > max_rows:
        why = f"by limits.maxRows, or by {memory}"
        raise BadRequest(f"The request has {rows} rows, at most {max_rows} are allowed {why}", 413)


class Decoder:
    """Decodes the two forms of a predict request for one signature. Immutable, shared between threads."""

    def __init__(self, signature: Signature, encoded_values: int = 0) -> None:
        """`encoded_values` are the numbers that one row becomes for the network."""
        self.specs = signature.inputs
        columns = sum(np.dtype(NUMPY_DTYPES[one.dtype]).itemsize * math.prod(one.shape[1:]) for one in self.specs)
        self._row_bytes = max(1, int(columns) + 4 * encoded_values)
        self.names = tuple(spec.name for spec in self.specs)
        self._read = self._columns()
        self._keys = frozenset(self.names)
        self._pick = itemgetter(*self.names) if len(self.names) > 1 else None
        self.floats_only = all(spec.dtype == "FLOAT" and len(spec.shape) == 1 for spec in self.specs)
        only = self.specs[0] if len(self.specs) == 1 else None
        self._tensor = only if only and only.dtype == "FLOAT" and len(only.shape) > 1 else None
        self.row_reader, self._column_reader = self._readers()
        if any(spec.dtype == "UINT8" for spec in self.specs):
            png.load()

    def _columns(self) -> tuple[Read, ...]:
        """The readers of the inputs."""
        return tuple(reader(spec) for spec in self.specs)

    def _readers(self) -> tuple[Reader | None, Reader | None]:
        """For requests of numbers only in row form, and for others."""
        if self._tensor is not None:
            shape = self._tensor.shape[1:]
            return Reader.of_rows("instances", shape), Reader.of_rows("inputs", shape)
        if not self.floats_only:
            return None, None
        rows, columns = native.NAMED_ROWS, native.COLUMNS
        return Reader.of_names(rows, "instances", self.names), Reader.of_names(columns, "inputs", self.names)

    @property
    def float32_only(self) -> bool:
        """Whether every number of a request becomes a float32, whatever its type on the wire."""
        return self.floats_only or self._tensor is not None

    def decode_numbers(self, body: bytes, max_rows: int) -> tuple[Batch, bool] | None:
        """As `decode`, from the bytes of a request of numbers only; None for one that needs the careful way."""
        row_form = body.find(b"instances", 0, 16) >= 0
        reader = self.row_reader if row_form else self._column_reader
        matrix = None if reader is None else reader.read(body, max_rows)
        return None if matrix is None else (self.batch_of(matrix), row_form)

    def batch_of(self, numbers: NDArray[np.float32]) -> Batch:
        """The batch of a reader's numbers: float32 [rows, *shape]."""
        if self._tensor is not None:
            return Batch(len(numbers), self.names, columns={self.names[0]: numbers})
        return Batch(len(numbers), self.names, matrix=numbers)

    def decode(self, document: dict[str, Any], max_rows: int | None) -> tuple[Batch, bool]:
        """The batch, and whether the request was in row form; `max_rows` None: rows of our own. Raises BadRequest."""
        if "instances" in document:
            if "inputs" in document:
                raise BadRequest("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
            return self._instances(document["instances"], max_rows), True
        if "inputs" in document:
            return self._inputs(document["inputs"], max_rows), False
        raise BadRequest("Missing 'inputs' or 'instances' key")

    def rows_in(self, size: int) -> int:
        """Rows that take no more than so many bytes as columns and encoded, at least one: a PNG, a category or one
        value for all may be few bytes of a body and a thousand times as many here."""
        return max(1, size // self._row_bytes)

    def check_rows(self, rows: int, max_rows: int | None) -> None:
        """Before anything is allocated for them. Raises BadRequest with status 413."""
        if max_rows is not None:
            bound_rows(rows, max_rows, f"the memory of {self._row_bytes} bytes that each takes")

    # {"instances": [{...}, ...]}

    def _instances(self, instances: Any, max_rows: int | None) -> Batch:
        if type(instances) is not list:
            raise BadRequest("Expecting 'instances' to be a list/array")
        if not instances:
            raise BadRequest("No values in 'instances' array")
        self.check_rows(len(instances), max_rows)
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
        for name, read, values in zip(self.names, self._read, zip(*rows, strict=True), strict=True):
            try:
                columns[name] = read(values)
            except FieldError as error:
                raise BadRequest(
                    f"Failed to process element: {error.row} key: {name} of 'instances' list. Error: {error}"
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

    def _inputs(self, inputs: Any, max_rows: int | None) -> Batch:
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
        self.check_rows(rows, max_rows)
        columns = {}
        for name, read in zip(self.names, self._read, strict=True):
            given = inputs.get(name)
            try:
                columns[name] = read([None] * rows if given is None else given)
            except FieldError as error:
                raise BadRequest(f"input {name}: row {error.row}: {error}") from None
        return Batch(rows, self.names, columns=columns)
