"""Requests and answers in the forms that the servers know."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving import models

JSON = {"content-type": "application/json"}
INPUT, OUTPUT = "x", "y"
"""The tensors' names in both networks."""


def open_inference(model: str, rows: int) -> bytes:
    """The open inference protocol (v2) in JSON: one flat list."""
    values = models.rows(model, rows)
    data = values.astype(np.float64).round(4).ravel().tolist()
    tensor = {"name": INPUT, "shape": list(values.shape), "datatype": "FP32", "data": data}
    return json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode()


def binary(model: str, rows: int) -> tuple[bytes, dict[str, str]]:
    """The same with its tensors as bytes after the JSON, and the headers that say so."""
    values = models.rows(model, rows)
    sizes = {"binary_data_size": values.nbytes}
    tensor = {"name": INPUT, "shape": list(values.shape), "datatype": "FP32", "parameters": sizes}
    wanted = {"name": OUTPUT, "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [wanted]}, separators=(",", ":")).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    return head + values.tobytes(), headers


def read_binary(answer: bytes, headers: dict[str, str], classes: int) -> NDArray[np.float32]:
    """[rows, classes] of an answer whose only output is bytes."""
    head = int(headers["inference-header-content-length"])
    return np.frombuffer(answer[head:], np.float32).reshape(-1, classes)


def predictions(document: Any, classes: int) -> NDArray[np.float64]:
    """[rows, classes] of a JSON answer in any of the peers' forms."""
    if isinstance(document, dict):
        document = document["outputs"][0]["data"] if "outputs" in document else document["predictions"]
    if isinstance(document[0], dict):  # our answers of a classification
        document = [row["probabilities"] for row in document]
    return np.asarray(document, dtype=np.float64).reshape(-1, classes)


def grpc_message(model: str, rows: int) -> bytes:
    """inference.ModelInferRequest of grpc_predict_v2.proto, tensors raw, behind gRPC's five bytes of framing."""
    values = models.rows(model, rows)
    shape = b"".join(_varint(size) for size in values.shape)
    tensor = _field(1, INPUT.encode()) + _field(2, b"FP32") + _field(3, shape)
    message = _field(1, model.encode()) + _field(5, tensor) + _field(7, values.tobytes())
    return b"\x00" + len(message).to_bytes(4, "big") + message


def predict_message(model: str, rows: int) -> bytes:
    """tensorflow.serving.PredictRequest of predict.proto, its tensor's content as bytes, framed likewise."""
    values = models.rows(model, rows)
    shape = b"".join(_field(2, _field_number(1, size)) for size in values.shape)
    tensor = _field_number(1, 1) + _field(2, shape) + _field(4, values.tobytes())  # 1 is DT_FLOAT
    message = _field(1, _field(1, model.encode())) + _field(2, _field(1, INPUT.encode()) + _field(2, tensor))
    return b"\x00" + len(message).to_bytes(4, "big") + message


def _field_number(number: int, value: int) -> bytes:
    """A field that is a number."""
    return _varint(number << 3) + _varint(value)


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of the protobuf wire format."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
