"""Infer requests and answers of the Open Inference Protocol: JSON, or JSON followed by the tensors' bytes.

The binary form is Triton's
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from ropewalk_model.signature import Signature
from ropewalk_server.feedback import FIELD, Issued
from ropewalk_server.http import JSON, Response
from ropewalk_server.model import Model
from ropewalk_server.protocols.batch import Batch
from ropewalk_server.protocols.jsonbody import MAX_DEPTH, BadRequest, parse_object, refuse_depth, shown
from ropewalk_server.protocols.tensors import (
    Tensor,
    array_to_raw,
    batch_of,
    names_of_outputs,
    outputs_of,
    raw_to_array,
)
from ropewalk_server.protocols.tfserving import RECEIPT

HEADER_LENGTH = b"inference-header-content-length"
OCTETS = b"application/octet-stream"
MAX_ID = 256
"""Characters of a request's id."""
UNSUPPORTED = ("sequence_id", "shared_memory_region", "classification")
"""Parameters of Triton's extensions that change the answer and are not supported here; unknown ones change nothing."""


class Asked(NamedTuple):
    """A decoded request: `outputs` are names and whether each is wanted in binary."""

    batch: Batch
    ident: str | None
    outputs: tuple[tuple[str, bool], ...]


def read_infer(model: Model, body: bytes, header_length: bytes | None, max_rows: int) -> Asked:
    """Decode a request. `header_length` is the value of the header of that name. Raises BadRequest.

    A tensor in binary is a view of the body, up to the engine if it has the declared type.
    """
    head, tail = _split(body, header_length)
    document = parse_object(head)
    if head.count(b"[") + head.count(b"{") > MAX_DEPTH:
        refuse_depth(document, "data")  # of data only those are taken that are as deep as their shape
    ident = document.get("id")
    if ident is not None and (type(ident) is not str or len(ident) > MAX_ID):
        raise BadRequest(f"id {shown(ident)} must be a string of at most {MAX_ID} characters")
    binary = _flag(_parameters(document, "the request"), "binary_data_output", "the request", default=False)
    outputs = _outputs(model.signature, document.get("outputs"), binary=binary)
    given = document.get("inputs")
    if type(given) is not list or not given:
        raise BadRequest('inputs must be a list of objects with "name", "shape", "datatype" and "data"')
    inputs: dict[str, Tensor] = {}
    at = 0
    for one in given:
        name, tensor, size = _input(one, tail[at:])
        if name in inputs:
            raise BadRequest(f"input {name[:80]} is given twice")
        inputs[name] = tensor
        at += size
    if at != len(tail):
        raise BadRequest(f"The inputs' binary_data_size add up to {at} bytes, {len(tail)} bytes follow the JSON")
    return Asked(batch_of(model, inputs, max_rows), ident, outputs)


def _split(body: bytes, header_length: bytes | None) -> tuple[bytes, memoryview]:
    """The JSON and the bytes after it."""
    if header_length is None:
        return body, memoryview(b"")
    size = int(header_length) if header_length.isdigit() and len(header_length) < 12 else -1
    if not 0 <= size <= len(body):
        value = shown(header_length.decode("latin-1"))
        raise BadRequest(f"Inference-Header-Content-Length {value} is not the length of the JSON in {len(body)} bytes")
    tail = memoryview(body)[size:]
    # Batches are kept until they are counted, and a view keeps the whole body.
    return body[:size], tail if len(tail) >= size else memoryview(bytes(tail))


def _input(one: Any, tail: memoryview) -> tuple[str, Tensor, int]:
    """An input's name, its tensor, and how many bytes of `tail` it takes."""
    name = _name(one, "input")
    place = f"input {name[:80]}"
    shape, datatype = one.get("shape"), one.get("datatype")
    if type(shape) is not list:
        raise BadRequest(f"{place}: shape {shown(shape)} is not a list of sizes")
    if type(datatype) is not str:
        raise BadRequest(f"{place}: datatype {shown(datatype)} is not a string")
    parameters = _parameters(one, place)
    size = parameters.get("binary_data_size")
    data = one.get("data")
    if size is None:
        if type(data) is not list:
            raise BadRequest(f"{place}: data {shown(data)} is not a list, and there is no binary_data_size")
        if datatype == "BYTES" and parameters.get("content_type") == "base64":
            data = [_base64(place, value) for value in data]
        return name, Tensor(datatype, tuple(shape), data), 0
    if data is not None:
        raise BadRequest(f"{place}: has both data and binary_data_size")
    if type(size) is not int or not 0 <= size <= len(tail):
        raise BadRequest(f"{place}: binary_data_size {shown(size)} does not fit, {len(tail)} bytes are left")
    try:
        return name, Tensor(datatype, tuple(shape), raw_to_array(datatype, shape, tail[:size])), size
    except BadRequest as why:
        raise BadRequest(f"{place}: {why}") from None


def _base64(place: str, value: Any) -> Any:
    if type(value) is not str:
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"{place}: {shown(value)} is not base64") from None


def _outputs(signature: Signature, asked: Any, *, binary: bool) -> tuple[tuple[str, bool], ...]:
    if asked is None:
        asked = []
    if type(asked) is not list:
        raise BadRequest(f"outputs {shown(asked)} is not a list of objects with a name")
    wanted = {}
    names = []
    for one in asked:
        name = _name(one, "output")
        place = f"output {name[:80]}"
        wanted[name] = _flag(_parameters(one, place), "binary_data", place, default=binary)
        names.append(name)
    return tuple((name, wanted.get(name, binary)) for name in names_of_outputs(signature, names))


def _name(one: Any, what: str) -> str:
    name = one.get("name") if type(one) is dict else None
    if type(name) is not str:
        raise BadRequest(f"{what} {shown(one)} is not an object with a name")
    return name


def _parameters(one: dict[str, Any], place: str) -> dict[str, Any]:
    found = one.get("parameters")
    if found is None:
        return {}
    if type(found) is not dict:
        raise BadRequest(f"{place}: parameters {shown(found)} is not an object")
    for name in UNSUPPORTED:
        if found.get(name):
            raise BadRequest(f"{place}: parameter {name} is not supported")
    return found


def _flag(parameters: dict[str, Any], name: str, place: str, *, default: bool) -> bool:
    found = parameters.get(name, default)
    if type(found) is not bool:
        raise BadRequest(f"{place}: parameter {name} {shown(found)} is not true or false")
    return found


def write_infer(
    name: str, version: int, signature: Signature, asked: Asked, core: NDArray[np.float32], issued: Issued
) -> Response:
    """The answer; its id stands in a header and, for clients that do not show headers, in the parameters."""
    document: dict[str, Any] = {"model_name": name, "model_version": str(version)}
    if asked.ident is not None:
        document["id"] = asked.ident
    outputs = asked.outputs
    tensors = outputs_of(signature, core, [output for output, _ in outputs])
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(issued, bytes):
        document["parameters"] = {RECEIPT.decode(): issued.decode()}
        headers = ((RECEIPT, issued),)
    elif issued:
        outputs = (*outputs, (FIELD, all(binary for _, binary in outputs)))
        tensors = [*tensors, Tensor("BYTES", (len(issued),), np.array(issued, dtype=object))]
    listed = []
    tail = []
    for (output, binary), tensor in zip(outputs, tensors, strict=True):
        one: dict[str, Any] = {"name": output, "datatype": tensor.datatype, "shape": tensor.shape}
        if binary:
            raw = array_to_raw(tensor)
            one["parameters"] = {"binary_data_size": len(raw)}
            tail.append(raw)
        else:
            flat = np.asarray(tensor.data).reshape(-1)
            if flat.dtype == object:
                try:
                    one["data"] = [text.decode() if type(text) is bytes else text for text in flat]
                except UnicodeDecodeError:
                    words = f"output {output} is not all UTF-8 text: ask for it with the parameter binary_data"
                    return Response(400, orjson.dumps({"error": words}))
            else:
                one["data"] = flat.astype(np.float32) if flat.dtype == np.float16 else flat
        listed.append(one)
    document["outputs"] = listed
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if not any(binary for _, binary in asked.outputs):
        return Response(200, head, JSON, headers)
    headers = (*headers, (HEADER_LENGTH, str(len(head)).encode()))
    return Response(200, b"".join((head, *tail)), OCTETS, headers)
