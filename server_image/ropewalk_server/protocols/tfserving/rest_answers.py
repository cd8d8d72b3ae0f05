"""Answers of TensorFlow Serving's REST API: predictions in both forms, the signatures, and versions' states.

Rows of predictions are put together from texts: those of all vectors at once, and a label's once for each class. A
dictionary for each row took four times as long.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ropewalk_model.signature import Signature, TensorSpec
from ropewalk_model.tasks import CLASSIFICATION, REGRESSION, SINGLE_TENSOR, Task
from ropewalk_server.protocols.tfserving.rest_paths import Target, not_found
from ropewalk_server.serving.versions import Held
from ropewalk_server.telemetry.receipts import FIELD
from ropewalk_server.transport.http1.types import Response

_NUMPY = orjson.OPT_SERIALIZE_NUMPY
_STATES = {"Loading": "LOADING", "Proved": "AVAILABLE", "Failed": "END", "Skipped": "END"}
Values = NDArray[np.float32]


def write_predict(signature: Signature, core: Values, row_form: bool, receipts: Sequence[str] = ()) -> bytes:
    """`{"predictions": [...]}` or `{"outputs": ...}`; a model with one output answers with its bare values. Beside
    them the `receipts`, if there are any.

    What is not finite is written as upstream does, as a token NaN, Infinity or -Infinity.
    """
    body = write_rows(signature, core, [len(core)])[0] if row_form else _outputs(signature, core)
    return b'%b,"%b":%b}' % (body[:-1], FIELD.encode(), orjson.dumps(receipts)) if receipts else body


def write_rows(signature: Signature, core: Values, counts: Sequence[int]) -> list[bytes]:
    """`{"predictions": [...]}` for each of several requests that have so many rows each."""
    if len(core) == len(counts):
        return [b'{"predictions":[%b]}' % row for row in _rows(signature, core)]
    spans = [slice(end - count, end) for count, end in zip(counts, accumulate(counts), strict=True)]
    if signature.kind.plain and np.isfinite(core).all():  # many rows that orjson writes as they are
        return [orjson.dumps({"predictions": core[span]}, option=_NUMPY) for span in spans]
    rows = _rows(signature, core)
    return [b'{"predictions":[%b]}' % b",".join(rows[span]) for span in spans]


def _rows(signature: Signature, core: Values) -> list[bytes]:
    """The JSON of each row of an answer."""
    return _ROWS[signature.kind](signature, core)


def _values(signature: Signature, core: Values) -> list[bytes]:
    return _numbers(core.reshape(-1))


def _tensors(signature: Signature, core: Values) -> list[bytes]:
    return [b"[%b]" % vector for vector in _vectors(core)]


def _classes(signature: Signature, core: Values) -> list[bytes]:
    vectors = _vectors(core)
    best = core.argmax(axis=1)
    labels = [b'{"label":%b,"score":' % orjson.dumps(label) for label in signature.classes]
    return [
        b'%b%b,"probabilities":[%b]}' % (labels[index], score, vector)
        for index, score, vector in zip(best.tolist(), _numbers(core[np.arange(len(core)), best]), vectors, strict=True)
    ]


_ROWS: Mapping[Task, Callable[[Signature, Values], list[bytes]]] = {
    CLASSIFICATION: _classes,
    REGRESSION: _values,
    SINGLE_TENSOR: _tensors,
}
"""The JSON of rows by task; named tensors have a writer of their own."""


def _numbers(values: Values) -> list[bytes]:
    return _vectors(values.reshape(1, -1))[0].split(b",")


def _vectors(core: Values) -> list[bytes]:
    """The numbers of each row, with commas between them."""
    if np.isfinite(core).all():
        return orjson.dumps(core, option=_NUMPY)[2:-2].split(b"],[")
    return [",".join(map(json.dumps, map(_plain, row))).encode() for row in core]


def _outputs(signature: Signature, core: Values) -> bytes:
    answer = signature.answer(core)
    outputs = {name: values.tolist() if values.dtype == object else values for name, values in answer.items()}
    document = {"outputs": next(iter(outputs.values())) if len(outputs) == 1 else outputs}
    if np.isfinite(core).all():
        return orjson.dumps(document, option=_NUMPY)
    return json.dumps(document, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    """numpy's values for `json`, float32 in as few digits as orjson gives them."""
    return list(value) if isinstance(value, np.ndarray) else float(str(value))


def write_metadata(name: str, version: int, signature: Signature) -> Response:
    """The signatures as upstream's `signature_def`."""
    document = {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": {one.name: _definition(one) for one in signature.all}}},
    }
    return Response(200, orjson.dumps(document))


def _definition(signature: Signature) -> dict[str, Any]:
    return {
        "inputs": {one.name: _tensor(signature.name, one) for one in signature.inputs},
        "outputs": {one.name: _tensor(signature.name, one) for one in signature.outputs},
        "method_name": signature.method,
    }


def _tensor(signature: str, spec: TensorSpec) -> dict[str, Any]:
    dimensions = [{"size": str(size), "name": ""} for size in spec.shape]
    shape = {"dim": dimensions, "unknown_rank": False}
    return {"dtype": f"DT_{spec.dtype}", "tensor_shape": shape, "name": f"{signature}_{spec.name}:0"}


def write_status(held: Mapping[int, Held], target: Target) -> Response:
    """`model_version_status` of all versions, newest first, or of one."""
    chosen = {v: one for v, one in held.items() if target.version in (None, v)}
    if not chosen:
        return not_found(target)
    listed = [
        {
            "version": str(version),
            "state": _STATES[one.state],
            "status": {
                "error_code": "OK" if one.state in ("Proved", "Loading") else "UNKNOWN",
                "error_message": f"{one.reason}: {one.message}" if one.reason else "",
            },
        }
        for version, one in sorted(chosen.items(), reverse=True)
    ]
    return Response(200, orjson.dumps({"model_version_status": listed}))
