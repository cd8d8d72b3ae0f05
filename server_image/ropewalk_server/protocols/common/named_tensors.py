"""Requests for signatures of any tensors: JSON in both forms and tensors of other protocols to named arrays, and back.

Nothing is converted or filled in here: a model from elsewhere says what it takes, and gets exactly that.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ropewalk_model.signature import NUMPY_DTYPES, Signature, TensorSpec
from ropewalk_server.protocols.common.column_conversion import plain_values
from ropewalk_server.protocols.common.columns import Read
from ropewalk_server.protocols.common.decode import Decoder
from ropewalk_server.protocols.common.jsonbody import BadRequest, shown
from ropewalk_server.protocols.common.must_offload import MANY
from ropewalk_server.protocols.common.nested import flattened
from ropewalk_server.serving.batch import Batch
from ropewalk_server.transport.http1.types import Response

Arrays = Mapping[str, NDArray[Any]]
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_BYTES = "_bytes"
"""Outputs with this ending are binary for upstream, which writes them in base64."""


class TensorsDecoder(Decoder):
    """Decodes the two forms of a predict request for one signature. Immutable, shared between threads."""

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        self.floats_only = False
        self._tensor = self.row_reader = self._column_reader = None
        self._rows_of = [one.name for one in signature.inputs if one.shape[:1] == (-1,)]

    def _columns(self) -> tuple[Read, ...]:
        """None: tensors of a request are read whole."""
        return ()

    def decode_numbers(self, body: bytes, max_rows: int) -> tuple[Batch, bool] | None:
        """None: all requests take the careful way."""
        return None

    def decode(self, document: dict[str, Any], max_rows: int | None) -> tuple[Batch, bool]:
        """The batch, and whether the request was in row form. Raises BadRequest."""
        if "instances" in document:
            if "inputs" in document:
                raise BadRequest("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
            return self.batch(self._by_row(document["instances"]), max_rows), True
        if "inputs" in document:
            return self.batch(self._by_name(document["inputs"]), max_rows), False
        raise BadRequest("Missing 'inputs' or 'instances' key")

    def batch(self, arrays: Arrays, max_rows: int | None) -> Batch:
        """The arrays as a batch, if they are no more rows than there may be. Raises BadRequest."""
        rows = self.rows_of(arrays)
        self.check_rows(rows, max_rows)
        return Batch(rows, self.names, columns=arrays)

    def rows_of(self, arrays: Arrays) -> int:
        """The rows that the request counts as: those of the inputs that have rows, 1 where none has."""
        return max([len(arrays[name]) for name in self._rows_of], default=1)

    def _by_row(self, instances: Any) -> dict[str, NDArray[Any]]:
        if type(instances) is not list:
            raise BadRequest("Expecting 'instances' value to be a list/array")
        if not instances:
            raise BadRequest("No values in 'instances' array")
        scalar = next((spec.name for spec in self.specs if not spec.shape), None)
        if scalar is not None:
            raise BadRequest(f"input {scalar} is one value for all rows: send 'inputs' in place of 'instances'")
        first = instances[0]
        if len(self.specs) == 1 and not (type(first) is dict and self.names[0] in first):
            return {self.names[0]: array(self.specs[0], instances)}
        for index, row in enumerate(instances):
            if type(row) is not dict:
                raise BadRequest(f"Expecting object but got {shown(row)} at item {index} of input list")
            if row.keys() != self._keys:
                wrong = next(iter([*(row.keys() - self._keys), *(self._keys - row.keys())]))
                what = "does not have named input" if wrong in row else "Missing named input"
                raise BadRequest(f"Failed to process element: {index} of 'instances' list. {what}: {wrong[:80]}")
        return {spec.name: array(spec, [row[spec.name] for row in instances]) for spec in self.specs}

    def _by_name(self, inputs: Any) -> dict[str, NDArray[Any]]:
        if type(inputs) is not dict or (len(self.specs) == 1 and set(inputs) == {"b64"}):
            if len(self.specs) > 1:
                raise BadRequest(
                    "inputs is a plain value/list, but expecting an object as multiple input tensors required: "
                    + ", ".join(self.names)
                )
            inputs = {self.names[0]: inputs}
        self.check_names(inputs)
        return {spec.name: array(spec, inputs[spec.name]) for spec in self.specs}

    def check_names(self, given: Mapping[str, Any]) -> None:
        """All inputs and no others. Raises BadRequest."""
        for name in given:
            if name not in self._keys:
                raise BadRequest(
                    f"input {name[:80]!r} is none of this signature's inputs: {', '.join(self.names)}"[:2000]
                )
        for name in self.names:
            if name not in given:
                raise BadRequest(f"Missing named input: {name} in 'inputs' object.")


def array(spec: TensorSpec, value: Any) -> NDArray[Any]:
    """A nested JSON list as an array of the declared type and shape. Raises BadRequest."""
    shape: list[int] = []
    one = value
    for _ in spec.shape:
        if type(one) is not list:
            raise BadRequest(f"input {spec.name}: {shown(one)} is no list: expecting shape {list(spec.shape)}")
        shape.append(len(one))
        one = one[0] if one else []
    check_shape(spec, shape)
    flat = [value] if not shape else flattened(value, shape[1:])
    if flat is None:
        raise BadRequest(f"input {spec.name}: lists differ in length, expecting shape {list(spec.shape)}")
    return _typed(spec, flat).reshape(shape)


def check_shape(spec: TensorSpec, shape: Sequence[int]) -> None:
    """Raises BadRequest where the shape is not one that the signature takes."""
    fits = len(shape) == len(spec.shape) and all(w in (-1, s) for w, s in zip(spec.shape, shape, strict=True))
    if not fits:
        raise BadRequest(f"input {spec.name}: expecting shape {list(spec.shape)}, got {list(shape)}")
    if spec.shape[:1] == (-1,) and shape[0] == 0:
        raise BadRequest(f"input {spec.name} has no rows")


def _typed(spec: TensorSpec, flat: Sequence[Any]) -> NDArray[Any]:
    if spec.dtype == "STRING":
        words = np.empty(len(flat), dtype=object)
        words[:] = [_octets(spec, one) for one in flat]
        return words
    dtype = np.dtype(NUMPY_DTYPES[spec.dtype])
    kinds: Mapping[str, set[type]] = {"b": {bool}, "f": {int, float}}
    allowed = kinds.get(dtype.kind, {int})
    if not allowed.issuperset(map(type, flat)):
        wrong = next(one for one in flat if type(one) not in allowed)
        raise BadRequest(f"input {spec.name}: {shown(wrong)} is not of expected type: {dtype.name}")
    try:
        with np.errstate(over="ignore"):  # what became infinite is looked at below
            found = np.array(flat, dtype=dtype)
    except OverflowError:
        raise _too_large(spec, flat, dtype) from None
    if dtype.kind == "f" and not np.isfinite(found).all():
        wide = np.array(flat, dtype=np.float64)
        if (np.isfinite(wide) & ~np.isfinite(found)).any():
            raise _too_large(spec, flat, dtype)
    return found


def _too_large(spec: TensorSpec, flat: Sequence[Any], dtype: np.dtype[Any]) -> BadRequest:
    limits: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    exact = float if dtype.kind == "f" else int  # numpy's own cannot be compared with an integer of any size
    low, high = exact(limits.min), exact(limits.max)
    wrong = next(one for one in flat if one == one and not low <= one <= high and abs(one) != math.inf)
    return BadRequest(f"input {spec.name}: {shown(wrong)} does not fit {dtype.name}")


def _octets(spec: TensorSpec, value: Any) -> bytes:
    if type(value) is str:
        return value.encode()
    if type(value) is dict and value.keys() == {"b64"} and type(value["b64"]) is str:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError):
            raise BadRequest(f"input {spec.name}: {shown(value['b64'])} is not base64") from None
    raise BadRequest(f"input {spec.name}: {shown(value)} is not of expected type: string")


def written(outputs: Arrays, row_form: bool) -> Response:
    """`{"predictions": [...]}` or `{"outputs": ...}`; where rows are asked for and there are none, upstream's error."""
    if row_form:
        problem = _rows_problem(outputs)
        if problem:
            return Response(400, orjson.dumps({"error": problem}))
    finite = all(one.dtype.kind != "f" or np.isfinite(one).all() for one in outputs.values())
    values = {name: _quick(name, one) if finite else _plain(name, one) for name, one in outputs.items()}
    only = next(iter(values.values())) if len(values) == 1 else None
    document: dict[str, Any]
    if not row_form:
        document = {"outputs": values if only is None else only}
    elif only is not None:
        document = {"predictions": only}
    else:
        document = {"predictions": [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]}
    count = sum([one.size for one in outputs.values()])
    return Response(200, _in_parts(document, count, _finite if finite else dump_any))


def _finite(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def dump_any(document: Any) -> bytes:
    """JSON with the tokens NaN, Infinity and -Infinity where values are not finite."""
    return _JSON(document).encode()


def _in_parts(document: Any, count: int, dump: Callable[[Any], bytes]) -> bytes:
    """The JSON of `count` values, some at a time: between any two the interpreter may let another thread run."""
    if count <= MANY:
        return dump(document)
    if isinstance(document, dict):
        parts = [b"%b:%b" % (dump(name), _in_parts(one, count, dump)) for name, one in document.items()]
        return b"{%b}" % b",".join(parts)
    if not isinstance(document, (list, np.ndarray)) or not len(document):
        return dump(document)
    step = MANY * len(document) // count
    if not step:  # one row alone is many
        return b"[%b]" % b",".join([_in_parts(one, count // len(document), dump) for one in document])
    return b"[%b]" % b",".join([dump(document[at : at + step])[1:-1] for at in range(0, len(document), step)])


def _rows_problem(outputs: Arrays) -> str:
    """In upstream's words (tensorflow_serving/util/json_tensor.cc, MakeRowFormatJsonFromTensors)."""
    rows = 0
    for name, one in outputs.items():
        if not one.shape:
            return f"Tensor name: {name} has no shape information "
        if one.shape[0] < 1:
            return f"Tensor name: {name} has invalid batch size: {one.shape[0]}"
        if rows and one.shape[0] != rows:
            return f"Tensor name: {name} has inconsistent batch size: {one.shape[0]} expecting batch size: {rows}"
        rows = one.shape[0]
    return ""


def _quick(name: str, values: NDArray[Any]) -> Any:
    """The values in a form that orjson writes as it is."""
    if values.dtype == object or not values.shape:
        return _plain(name, values)
    return np.asarray(values, dtype=np.float32 if values.dtype == np.float16 else values.dtype, order="C")


def _plain(name: str, values: NDArray[Any]) -> Any:
    """Lists of JSON values; float32 in as few digits as tell it from its neighbours."""
    if values.dtype == object:
        flat = np.empty(values.size, dtype=object)
        flat[:] = [_text(one, binary=name.endswith(_BYTES)) for one in values.reshape(-1)]
        return flat.reshape(values.shape).tolist()
    if values.dtype in (np.float32, np.float16):
        short = [float(str(one)) for one in values.reshape(-1)]
        return np.array(short, dtype=np.float64).reshape(values.shape).tolist()
    return values.tolist()


def _text(octets: bytes, *, binary: bool) -> Any:
    if not binary:
        try:
            return octets.decode()
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(octets).decode()}


def from_tensors(decoder: TensorsDecoder, inputs: Mapping[str, Any], max_rows: int) -> Batch:
    """The batch of another protocol's tensors (`oip_tensors.Tensor`), which have exactly the declared types."""
    decoder.check_names(inputs)
    arrays = {}
    for spec in decoder.specs:
        datatype, shape, data = inputs[spec.name]
        check_shape(spec, shape)
        arrays[spec.name] = plain_values(spec, datatype, tuple(shape), data)
    return decoder.batch(arrays, max_rows)
