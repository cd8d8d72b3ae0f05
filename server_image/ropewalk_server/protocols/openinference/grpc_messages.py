"""ModelInfer's messages over gRPC: a request becomes rows, a prediction the answer
(https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.signature import Signature
from ropewalk_server.protocols.common import packed
from ropewalk_server.protocols.common.column_conversion import DATATYPES
from ropewalk_server.protocols.common.jsonbody import BadRequest, shown
from ropewalk_server.protocols.common.oip_tensors import (
    MAX_RANK,
    Tensor,
    array_to_raw,
    batch_of,
    check_names,
    check_shape,
    check_words,
    names_of_outputs,
    outputs_of,
    raw_to_array,
)
from ropewalk_server.protocols.openinference.rest_messages import MAX_ID, UNSUPPORTED
from ropewalk_server.protocols.protos import openinference_pb2 as pb
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.model import Model
from ropewalk_server.serving.types import Issued
from ropewalk_server.telemetry.receipts import FIELD, RECEIPT

_FIELDS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""The field with the values of a datatype; those of FP16 have none and must be raw."""
_NUMBERS = {field.name: field.number for field in pb.InferTensorContents.DESCRIPTOR.fields}


class Asked(NamedTuple):
    """A decoded request; `raw` is how it wants to be answered: as it asked."""

    batch: Batch
    ident: str
    outputs: tuple[str, ...]
    raw: bool


def read_infer(model: Model, request: pb.ModelInferRequest, max_rows: int) -> Asked:
    """Decode a request. Raises BadRequest."""
    ident = request.id
    if len(ident) > MAX_ID:
        raise BadRequest(f"id {shown(ident)} has more than {MAX_ID} characters")
    _check_parameters(request.parameters, "the request")
    given = request.inputs
    raws = request.raw_input_contents
    if raws and len(raws) != len(given):
        raise BadRequest(f"raw_input_contents has {len(raws)} entries, there are {len(given)} inputs")
    # One more than there are is enough to find one that is wrong.
    given_outputs = request.outputs[: len(model.signature.outputs) + 1]
    wanted = [one.name for one in given_outputs]
    for output in given_outputs:
        _check_parameters(output.parameters, f"output {output.name[:80]}")
    outputs = names_of_outputs(model.signature, wanted)
    if raws and model.decoder.floats_only:
        matrix = _matrix(model.decoder.names, given, raws)
        if matrix is not None and len(matrix) <= max_rows:
            return Asked(Batch(len(matrix), model.decoder.names, matrix=matrix), ident, outputs, True)
    inputs: dict[str, Tensor] = {}
    for index, one in enumerate(given):
        name = one.name
        if name in inputs:
            raise BadRequest(f"input {name[:80]} is given twice")
        check_names(model, (name,))
        check_words(model, name, one.datatype, one.shape, max_rows)
        try:
            inputs[name] = _tensor(one, raws[index] if raws else None)
        except BadRequest as why:
            raise BadRequest(f"input {name[:80]}: {why}") from None
    return Asked(batch_of(model, inputs, max_rows), ident, outputs, bool(raws))


def _matrix(
    names: Sequence[str], given: Sequence[pb.ModelInferRequest.InferInputTensor], raws: Sequence[bytes]
) -> NDArray[np.float32] | None:
    """float32 [rows, inputs] of a request of nothing but raw FP32 `[N]`, an input each; None for everything else."""
    if len(given) != len(names) or len(names) < 2:
        return None
    vectors = {}
    for one, raw in zip(given, raws, strict=True):
        shape = one.shape
        if one.datatype != "FP32" or len(shape) != 1 or 4 * shape[0] != len(raw):
            return None
        if one.parameters or one.HasField("contents"):
            return None
        vectors[one.name] = raw
    if vectors.keys() != set(names):
        return None
    return packed.matrix([vectors[name] for name in names])


def _tensor(one: pb.ModelInferRequest.InferInputTensor, raw: bytes | None) -> Tensor:
    datatype, shape = one.datatype, tuple(one.shape[: MAX_RANK + 1])
    check_shape(shape)
    _check_parameters(one.parameters, "its request")
    if raw is not None:
        if one.HasField("contents"):
            raise BadRequest("has contents, and raw_input_contents as well")
        return Tensor(datatype, shape, raw_to_array(datatype, shape, raw))
    field = _FIELDS.get(datatype)
    if field is None:
        if datatype in DATATYPES:
            raise BadRequest(f"{datatype} has no field in contents: send it in raw_input_contents")
        raise BadRequest(f"datatype {shown(datatype)} is not known, expecting one of {', '.join(DATATYPES)}")
    contents = one.contents
    values = getattr(contents, field)
    count = math.prod(shape)
    if len(values) != count and datatype not in ("FP32", "FP64"):
        raise _wrong_count(datatype, shape, len(values), field)
    found: NDArray[Any]
    if datatype == "BYTES":
        found = packed.words(values)
    elif datatype in ("FP32", "FP64"):
        found = packed.floats(contents, values, _NUMBERS[field], DATATYPES[datatype])
    else:
        found = packed.whole(values, DATATYPES[datatype])
    if len(found) != count:
        raise _wrong_count(datatype, shape, len(found), field)
    return Tensor(datatype, shape, found)


def _wrong_count(datatype: str, shape: tuple[int, ...], got: int, field: str) -> BadRequest:
    return BadRequest(f"{datatype} of shape {list(shape)} takes {math.prod(shape)} values, got {got} in {field}")


def _check_parameters(parameters: Mapping[str, Any], place: str) -> None:
    """Refuse what would change the answer and is not supported; unknown parameters change nothing."""
    if not parameters:
        return
    for name in UNSUPPORTED:
        if name in parameters and _value(parameters[name]):
            raise BadRequest(f"{place}: parameter {name} is not supported")


def _value(parameter: pb.InferParameter) -> Any:
    choice = parameter.WhichOneof("parameter_choice")
    return None if choice is None else getattr(parameter, choice)


def write_infer(
    name: str, version: int, signature: Signature, asked: Asked, core: NDArray[np.float32], issued: Issued
) -> bytes:
    """The answer, raw where the request was; its id also stands in the parameters, as over REST."""
    response = pb.ModelInferResponse(model_name=name, model_version=str(version), id=asked.ident)
    names: Sequence[str] = asked.outputs
    tensors: Sequence[Tensor] = outputs_of(signature, core, list(asked.outputs))
    raw = asked.raw or any(tensor.datatype not in _FIELDS for tensor in tensors)  # FP16 has no field
    if isinstance(issued, bytes):
        response.parameters[RECEIPT.decode()].string_param = issued.decode()
    elif issued:
        names, tensors = (*names, FIELD), [*tensors, Tensor("BYTES", (len(issued),), issued)]
    for output, tensor in zip(names, tensors, strict=True):
        one = response.outputs.add(name=output, datatype=tensor.datatype, shape=tensor.shape)
        if raw:
            response.raw_output_contents.append(array_to_raw(tensor))
        elif tensor.datatype == "BYTES":
            words = np.asarray(tensor.data).reshape(-1)
            one.contents.bytes_contents.extend([text if type(text) is bytes else text.encode() for text in words])
        elif tensor.datatype == "FP32":
            one.contents.fp32_contents.append(array_to_raw(tensor))
        elif tensor.datatype == "FP64":
            one.contents.fp64_contents.append(array_to_raw(tensor))
        else:
            getattr(one.contents, _FIELDS[tensor.datatype]).extend(np.asarray(tensor.data).reshape(-1).tolist())
    return response.SerializeToString()
