"""Requests of the Open Inference Protocol to the zoo, and what the same rows get over TensorFlow Serving's protocol."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import numpy as np
import tritonclient.http as triton
from numpy.typing import NDArray

from tests.server.conftest import Server

ROW: dict[str, Any] = {"x": 1.25, "y": -0.5, "n": 3, "m": 4, "ok": True, "plan": "pro", "note": "a"}
TYPES = {"x": "FP32", "y": "FP32", "n": "INT64", "m": "INT64", "ok": "BOOL", "plan": "BYTES", "note": "BYTES"}
Given = dict[str, Any]


def tensor(name: str, values: Any, datatype: str | None = None, **more: Any) -> Given:
    """One input in JSON, `[N]`."""
    return {"name": name, "datatype": datatype or TYPES[name], "shape": [len(values)], "data": values, **more}


def tensors(**changes: Any) -> list[Given]:
    """The inputs of one mixed row; a change is a value, a tensor, or None to leave the input out."""
    found = []
    for name, value in {**ROW, **changes}.items():
        if isinstance(value, dict):
            found.append(value)
        elif value is not None:
            found.append(tensor(name, [value]))
    return found


def infer(server: Server, version: int, inputs: list[Given], **more: Any) -> tuple[int, dict[str, Any]]:
    """POST .../infer: status and document."""
    status, document, _ = server.post(f"/v2/models/cancer/versions/{version}/infer", {"inputs": inputs, **more})
    return status, document


def values(document: dict[str, Any]) -> dict[str, Any]:
    """Outputs by name, flat."""
    return {one["name"]: one["data"] for one in document["outputs"]}


def by_tfserving(server: Server, version: int, *rows: Any) -> Any:
    """The predictions for the same rows over TensorFlow Serving's protocol."""
    path = f"/v1/models/cancer/versions/{version}:predict"
    status, document, _ = server.post(path, {"instances": list(rows)})
    assert status == 200, document
    return document["predictions"]


def array(name: str, rows: list[dict[str, Any]]) -> NDArray[Any]:
    """A column as Triton's client wants it."""
    kind = {"FP32": np.float32, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}[TYPES[name]]
    return np.array([one[name] for one in rows], dtype=kind)


def ask(
    client: triton.InferenceServerClient,
    version: int,
    columns: dict[str, tuple[str, NDArray[Any]]],
    *,
    binary: bool,
    outputs: list[str] | None = None,
    **more: Any,
) -> triton.InferResult:
    """One request of Triton's client; in and out in the same form."""
    inputs = []
    for name, (datatype, given) in columns.items():
        one = triton.InferInput(name, given.shape, datatype)
        one.set_data_from_numpy(given, binary_data=binary)
        inputs.append(one)
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in outputs] if outputs else None
    return client.infer("cancer", inputs, model_version=str(version), outputs=wanted, **more)


def post_binary(server: Server, version: int, head: Any, tail: bytes, length: str | None = None) -> tuple[int, bytes]:
    """JSON, then bytes; the header says how long the JSON is unless told otherwise."""
    json_part = head if isinstance(head, bytes) else json.dumps(head).encode()
    url = f"http://127.0.0.1:{server.ports[0]}/v2/models/cancer/versions/{version}/infer"
    request = urllib.request.Request(url, json_part + tail, method="POST")
    request.add_header("Inference-Header-Content-Length", str(len(json_part)) if length is None else length)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def binary(name: str, datatype: str, size: Any, shape: list[int] | None = None) -> Given:
    """An input whose bytes follow the JSON."""
    parameters = {"binary_data_size": size}
    return {"name": name, "datatype": datatype, "shape": shape or [1], "parameters": parameters}
