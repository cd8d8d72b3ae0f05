"""JSON schemas (2020-12) of what a signature takes and gives, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ropewalk_model.features import FeatureSpec
from ropewalk_model.features.base import ENCODED_BYTES
from ropewalk_model.signature import Signature
from ropewalk_model.tensor_spec import TensorSpec
from ropewalk_server.protocols.common.column_conversion import DATATYPE_OF, DATATYPES
from ropewalk_server.protocols.openinference.rest_messages import MAX_ID
from ropewalk_server.protocols.tfserving.feedback_endpoint import MAX_LABELS
from ropewalk_server.telemetry.receipts import FIELD, RECEIPT

Schema = dict[str, Any]
Features = Mapping[str, FeatureSpec]
"""The features of a model by name, which are its signature's inputs; none of a signature of named tensors."""
_FLOAT_MAX = float(np.finfo(np.float32).max)
_NUMERIC = [name for name, dtype in DATATYPES.items() if dtype.kind in "iuf"]
_CONVERTED = {
    "FLOAT": _NUMERIC,
    "INT64": _NUMERIC,
    "BOOL": ["BOOL"],
    "STRING": ["BYTES"],
    "UINT8": [*_NUMERIC, "BYTES"],
    **{
        dtype: [DATATYPE_OF[dtype]]
        for dtype in ("DOUBLE", "HALF", "INT8", "INT16", "INT32", "UINT16", "UINT32", "UINT64")
    },
}
"""The datatypes that an input of each declared type may be sent as."""
ERROR: Schema = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
    "additionalProperties": False,
}
_TOKENS = "a number, or one of the tokens NaN, Infinity and -Infinity"
PARAMETERS: Schema = {"type": "object"}


def fields(properties: Mapping[str, Schema | bool], *optional: str) -> Schema:
    """An object of these properties, all of them required but the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required}


def array(items: Schema, **bounds: int) -> Schema:
    """A list."""
    return {"type": "array", "items": items, **bounds}


def value(spec: TensorSpec, feature: FeatureSpec) -> Schema:
    """One row's value of an input, in TensorFlow Serving's JSON."""
    one = feature.kind.json_schema(feature)
    return {"anyOf": [one, {"type": "null"}]} if spec.optional and spec.missing is not None else one


def _column(spec: TensorSpec, feature: FeatureSpec) -> Schema:
    column = array(value(spec, feature), minItems=1)
    return {"anyOf": [column, {"type": "null"}]} if spec.optional else column


def _any_tensors(key: str) -> Schema:
    """Of a signature of any tensors it is said that they come in one of two forms; its metadata say the rest."""
    row, column = ("instances", "inputs") if key == "request" else ("predictions", "outputs")
    return {"oneOf": [fields({row: array(True), column: False}, column), fields({column: True, row: False}, row)]}  # type: ignore[arg-type]


def predict_request(signature: Signature, features: Features) -> Schema:
    """Rows or columns; a model of one input takes its bare values too."""
    if signature.kind.named_outputs:
        return _any_tensors("request")
    optional = [spec.name for spec in signature.inputs if spec.optional]
    row = fields({spec.name: value(spec, features[spec.name]) for spec in signature.inputs}, *optional)
    row["additionalProperties"] = False
    columns = fields({spec.name: _column(spec, features[spec.name]) for spec in signature.inputs}, *optional)
    columns["additionalProperties"] = False
    rows = array(row, minItems=1)
    if len(signature.inputs) == 1:
        only = signature.inputs[0]
        bare = value(only, features[only.name])
        rows = {"anyOf": [rows, array(bare, minItems=1)]}
        columns = {"anyOf": [columns, array(bare, minItems=1)]}
    by_row = fields({"instances": rows, "inputs": False}, "inputs")
    by_column = fields({"inputs": columns, "instances": False}, "instances")
    name = {"enum": ["serving_default", ""], "default": "serving_default"}
    for one in (by_row, by_column):
        one["properties"]["signature_name"] = name
    return {"oneOf": [by_row, by_column]}


def _output(spec: TensorSpec, *, bounded: bool) -> Schema:
    """A plain tensor of large values may overflow, and no JSON Schema type takes the tokens that say so."""
    one: Schema = {"type": "number"} if bounded else {"description": _TOKENS}
    if spec.dtype == "STRING":
        one = {"type": "string"}
    for size in reversed(spec.shape[1:]):
        one = array(one, minItems=size, maxItems=size)
    return one


def predict_answer(signature: Signature) -> Schema:
    """`predictions` for rows, `outputs` for columns; bare values where there is one output."""
    if signature.kind.named_outputs:
        return _any_tensors("answer")
    named = {spec.name: _output(spec, bounded=signature.kind.finite) for spec in signature.outputs}
    only = next(iter(named.values())) if len(named) == 1 else None
    rows = fields(named) if only is None else only
    columns = fields({name: array(one) for name, one in named.items()}) if only is None else array(only)
    receipts = array({"type": "string"})
    by_row = fields({"predictions": array(rows), FIELD: receipts}, FIELD)
    by_column = fields({"outputs": columns, FIELD: receipts}, FIELD)
    return {"oneOf": [by_row, by_column]}


def predict_example(signature: Signature, features: Features) -> Schema:
    """A request of one row, by row; a signature of named tensors has no features, and examples by dtype."""
    only = {"FLOAT": 0.5, "DOUBLE": 0.5, "HALF": 0.5, "BOOL": True, "STRING": "text", "UINT8": 0}
    row: Schema = {}
    for spec in signature.inputs:
        feature = features.get(spec.name)
        one: Any = only.get(spec.dtype, 1) if feature is None else feature.kind.example(feature)
        for size in reversed(spec.shape[1:]):
            one = [one] * max(1, size)
        row[spec.name] = one
    return {"instances": [row]}


def examples_request(names: Sequence[str], *, default: bool) -> Schema:
    """`examples` for one of these signatures, which need not be named where the default one is among them."""
    whole = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
    number = {"type": "number", "minimum": -_FLOAT_MAX, "maximum": _FLOAT_MAX}
    one: Schema = {"anyOf": [{"type": ["string", "boolean"]}, whole, number, ENCODED_BYTES]}
    example: Schema = {"type": "object", "additionalProperties": {"anyOf": [one, array(one)]}}
    name = {"enum": [*names, *([""] if default else [])]}
    found = fields(
        {"examples": array(example, minItems=1), "context": example, "signature_name": name},
        *("context", *(["signature_name"] if default else [])),
    )
    found["description"] = "values of one feature are of one type: whole numbers, floats or strings"
    return found


def examples_answer(verb: str) -> Schema:
    """Of each example a value, or the label and the score of each class."""
    number: Schema = {"description": _TOKENS}
    pair = array({"description": "the label, then the score"}, minItems=2, maxItems=2)
    return fields({"results": array(number if verb == "regress" else array(pair))})


def infer_example(signature: Signature, features: Features) -> Schema:
    """The same row as named tensors."""
    row = predict_example(signature, features)["instances"][0]
    inputs = [
        {
            "name": spec.name,
            "datatype": DATATYPE_OF[spec.dtype],
            "shape": [max(1, size) for size in spec.shape],
            "data": [row[spec.name]],
        }
        for spec in signature.inputs
    ]
    return {"inputs": inputs}


def infer_request(signature: Signature) -> Schema:
    """The inputs by name, in any order; all that are not optional must be there, with the same number of rows."""
    inputs = array({"anyOf": [_infer_input(spec) for spec in signature.inputs]}, minItems=1)
    inputs["maxItems"] = len(signature.inputs)
    output = fields(
        {"name": {"enum": [spec.name for spec in signature.outputs]}, "parameters": PARAMETERS}, "parameters"
    )
    return fields(
        {
            "id": {"type": "string", "maxLength": MAX_ID},
            "inputs": inputs,
            "outputs": array(output, uniqueItems=True),
            "parameters": PARAMETERS,
        },
        *("id", "outputs", "parameters"),
    )


def _infer_input(spec: TensorSpec) -> Schema:
    if -1 in spec.shape[1:] or spec.shape[:1] != (-1,):
        return fields(
            {"name": {"const": spec.name}, "datatype": {"const": DATATYPE_OF[spec.dtype]}, "shape": array({})}
        )
    sizes: list[Schema] = [{"type": "integer", "minimum": 1}, *({"const": size} for size in spec.shape[1:])]
    if len(spec.shape) == 1:
        sizes.append({"const": 1})
    least = 1 if spec.dtype in ("STRING", "UINT8") or len(spec.shape) == 1 else len(sizes)
    one = fields(
        {
            "name": {"const": spec.name},
            "datatype": {"enum": _CONVERTED[spec.dtype], "default": DATATYPE_OF[spec.dtype]},
            "shape": {"type": "array", "prefixItems": sizes, "minItems": least, "maxItems": len(sizes)},
            "data": {"type": "array", "description": "flat in row-major order, or nested as the shape says"},
            "parameters": PARAMETERS,
        },
        "parameters",
    )
    one["description"] = "may be left out" if spec.optional else "must be given"
    return one


def infer_answer() -> Schema:
    """An infer answer of any model."""
    output = fields(
        {
            "name": {"type": "string"},
            "datatype": {"enum": list(DATATYPES)},
            "shape": array({"type": "integer", "minimum": 0}),
            "data": {"type": "array"},
            "parameters": PARAMETERS,
        },
        *("data", "parameters"),
    )
    receipt = fields({RECEIPT.decode(): {"type": "string"}})
    named: Schema = {"model_name": {"type": "string"}, "model_version": {"type": "string"}, "id": {"type": "string"}}
    return fields({**named, "parameters": receipt, "outputs": array(output)}, "id", "parameters")


def metadata_answer() -> Schema:
    """Model metadata of the Open Inference Protocol."""
    datatype = {"enum": list(DATATYPES)}
    tensor = fields(
        {"name": {"type": "string"}, "datatype": datatype, "shape": array({"type": "integer", "minimum": -1})}
    )
    return fields(
        {
            "name": {"type": "string"},
            "versions": array({"type": "string"}),
            "platform": {"type": "string"},
            "inputs": array(tensor),
            "outputs": array(tensor),
        }
    )


def status_answer() -> Schema:
    """TensorFlow Serving's `model_version_status`."""
    status = fields({"error_code": {"type": "string"}, "error_message": {"type": "string"}})
    state = {"enum": ["LOADING", "AVAILABLE", "END"]}
    one = fields({"version": {"type": "string"}, "state": state, "status": status})
    return fields({"model_version_status": array(one)})


def feedback_request() -> Schema:
    """The id of a prediction, `.ROW` after it for another row than the first, and its true class; or many of them."""
    ident = {"type": "string", "description": "a receipt: ropewalk-prediction-id of the answer, or that and .ROW"}
    one = fields({"id": ident, "label": {"type": ["string", "number"]}})
    return {"anyOf": [one, array(one, maxItems=MAX_LABELS)]}


def feedback_answer() -> Schema:
    """Nothing for one label; of many, how many are taken and what is wrong with the others."""
    wrong = fields({"index": {"type": "integer"}, "error": {"type": "string"}})
    return fields({"accepted": {"type": "integer"}, "refused": array(wrong)}, "accepted", "refused")
