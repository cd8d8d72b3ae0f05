"""Infer requests and answers of the Open Inference Protocol: JSON, or JSON followed by the tensors' bytes.

The binary form is Triton's
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from ropewalk_model.signature import Signature
from ropewalk_server.protocols.common.jsonbody import MAX_DEPTH, BadRequest, parse_object, refuse_depth, shown
from ropewalk_server.protocols.common.must_offload import not_on_the_loop
from ropewalk_server.protocols.common.number_lists import taken_out
from ropewalk_server.protocols.common.oip_tensors import (
    Tensor,
    array_to_raw,
    batch_of,
    check_words,
    names_of_outputs,
    outputs_of,
    raw_to_array,
)
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.model import Model
from ropewalk_server.serving.types import Issued
from ropewalk_server.telemetry.receipts import FIELD, RECEIPT
from ropewalk_server.transport.http1.types import JSON, Response

HEADER_LENGTH = b"inference-header-content-length"
OCTETS = b"application/octet-stream"
MAX_ID = 256
"""Characters of a request's id."""
UNSUPPORTED = ("sequence_id", "shared_memory_region", "classification")
"""Parameters of Triton's extensions that change the answer and are not supported here; unknown ones change nothing."""


KNOWN_HEADS, KNOWN_HEAD_BYTES = 64, 1024
"""Of heads whose tensors all follow in binary: a client sends the same one over and over."""


class Asked(NamedTuple):
    """A decoded request: `outputs` are names and whether each is wanted in binary."""

    batch: Batch
    ident: str | None
    outputs: tuple[tuple[str, bool], ...]


class Input(NamedTuple):
    """An input in the JSON part of a request: `size` bytes follow for it, or else its values are `data`."""

    name: str
    datatype: str
    shape: tuple[Any, ...]
    size: int
    data: NDArray[Any] | list[Any] | None


class Head(NamedTuple):
    """A request's JSON. `wanted` are the outputs it names, each with whether it is to be binary."""

    ident: str | None
    wanted: tuple[tuple[str, bool], ...]
    binary: bool
    """Whether those are that it does not name."""
    inputs: tuple[Input, ...]


_known_heads: dict[bytes, Head] = {}


def read_infer(model: Model, body: bytes, header_length: bytes | None, max_rows: int) -> Asked:
    """Decode a request. `header_length` is the value of the header of that name. Raises BadRequest.

    A tensor in binary is a view of the body, up to the engine if it has the declared type.
    """
    text, tail = _split(body, header_length)
    known = _known_heads.get(text) if len(text) <= KNOWN_HEAD_BYTES else None
    head = known or _read_numbers(model, text)
    if head is None:
        not_on_the_loop(len(text))
        head = _read_head(text, {})
    inputs: dict[str, Tensor] = {}
    at = 0
    for name, datatype, shape, size, data in head.inputs:
        if data is None:
            if size > len(tail) - at:
                raise BadRequest(
                    f"input {name[:80]}: binary_data_size {size} does not fit, {len(tail) - at} bytes are left"
                )
            check_words(model, name, datatype, shape, max_rows)
            try:
                data = raw_to_array(datatype, shape, tail[at : at + size])
            except BadRequest as why:
                raise BadRequest(f"input {name[:80]}: {why}") from None
        inputs[name] = Tensor(datatype, shape, data)
        at += size
    if at != len(tail):
        raise BadRequest(f"The inputs' binary_data_size add up to {at} bytes, {len(tail)} bytes follow the JSON")
    wanted = dict(head.wanted)
    names = names_of_outputs(model.signature, [name for name, _ in head.wanted])
    outputs = tuple((name, wanted.get(name, head.binary)) for name in names)
    return Asked(batch_of(model, inputs, max_rows), head.ident, outputs)


def _read_numbers(model: Model, text: bytes) -> Head | None:
    """As `_read_head`, if its long lists become float32 anyhow; None for what the careful way has the words for."""
    short, lists = taken_out(text)
    if not lists:
        return None
    try:
        head = _read_head(short, lists)
    except BadRequest:
        return None
    kinds = ("FP32", "FP64") if model.decoder.float32_only else ("FP32",)
    read = [one.datatype for one in head.inputs if isinstance(one.data, np.ndarray)]
    return head if len(read) == len(lists) and all(datatype in kinds for datatype in read) else None


def _read_head(text: bytes, lists: Mapping[str, NDArray[np.float32]]) -> Head:
    """`lists` are of words that stand for them."""
    document = parse_object(text)
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH:
        refuse_depth(document, "data")  # of data only those are taken that are as deep as their shape
    ident = document.get("id")
    if ident is not None and (type(ident) is not str or len(ident) > MAX_ID):
        raise BadRequest(f"id {shown(ident)} must be a string of at most {MAX_ID} characters")
    binary = _flag(_parameters(document, "the request"), "binary_data_output", "the request", default=False)
    wanted = _wanted(document.get("outputs"), binary=binary)
    given = document.get("inputs")
    if type(given) is not list or not given:
        raise BadRequest('inputs must be a list of objects with "name", "shape", "datatype" and "data"')
    inputs: dict[str, Input] = {}
    for one in given:
        found = _input(one, lists)
        if found.name in inputs:
            raise BadRequest(f"input {found.name[:80]} is given twice")
        inputs[found.name] = found
    head = Head(ident, wanted, binary, tuple(inputs.values()))
    if len(text) <= KNOWN_HEAD_BYTES and ident is None and all(one.data is None for one in head.inputs):
        if len(_known_heads) >= KNOWN_HEADS:
            _known_heads.clear()
        _known_heads[text] = head
    return head


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


def _input(one: Any, lists: Mapping[str, NDArray[np.float32]]) -> Input:
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
        if type(data) is str and data in lists:
            return Input(name, datatype, tuple(shape), 0, lists[data])
        if type(data) is not list:
            raise BadRequest(f"{place}: data {shown(data)} is not a list, and there is no binary_data_size")
        if datatype == "BYTES" and parameters.get("content_type") == "base64":
            data = [_base64(place, value) for value in data]
        return Input(name, datatype, tuple(shape), 0, data)
    if data is not None:
        raise BadRequest(f"{place}: has both data and binary_data_size")
    if type(size) is not int or size < 0:
        raise BadRequest(f"{place}: binary_data_size {shown(size)} is not a number of bytes")
    return Input(name, datatype, tuple(shape), size, None)


def _base64(place: str, value: Any) -> Any:
    if type(value) is not str:
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"{place}: {shown(value)} is not base64") from None


def _wanted(asked: Any, *, binary: bool) -> tuple[tuple[str, bool], ...]:
    if asked is None:
        asked = []
    if type(asked) is not list:
        raise BadRequest(f"outputs {shown(asked)} is not a list of objects with a name")
    wanted = []
    for one in asked:
        name = _name(one, "output")
        place = f"output {name[:80]}"
        wanted.append((name, _flag(_parameters(one, place), "binary_data", place, default=binary)))
    return tuple(wanted)


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
