"""Classify and Regress of TensorFlow Serving: tf.Examples, which the model's own graph parses, to classes or values.

Words of errors are upstream's (tensorflow_serving/util/json_tensor.cc, servables/tensorflow/classifier.cc,
regressor.cc, util.cc).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from ropewalk_model.signature import METHOD, Signature
from ropewalk_server.protocols.common.decode import bound_rows
from ropewalk_server.protocols.common.jsonbody import BadRequest, shown
from ropewalk_server.protocols.common.named_tensors import TensorsDecoder, dump_any
from ropewalk_server.protocols.protos import tfserving_pb2 as pb
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.model import Model
from ropewalk_server.transport.http1.types import Response

T = TypeVar("T")
Arrays = Mapping[str, NDArray[Any]]
TITLES = {
    "classify": ("classification signature", "classification"),
    "regress": ("a regression signature", "regression"),
}
"""Upstream's name of a signature of the verb: over REST, and over gRPC."""
_INT64 = 2**63
MOST_CONTEXT_BYTES = 64 * 1024 * 1024
"""Bytes of the context before all examples: 2 MB before a million of them would take two terabytes."""


def takes(model: Model, verb: str) -> bool:
    """Whether any signature of the version has the verb's method."""
    return any(one.signature.method == METHOD + verb for one in model.named.values())


def wrong_method(signature: Signature, verb: str, title: str) -> str:
    """Upstream's words for a signature of another method."""
    return f"Expected {title} method_name to be {METHOD}{verb}. Was: {signature.method}"


def batch(model: Model, serialized: Sequence[bytes], max_rows: int) -> Batch:
    """The serialized Examples as the signature's one input. Raises BadRequest."""
    if not serialized:
        raise BadRequest("Input is empty.")
    decoder = model.decoder
    assert isinstance(decoder, TensorsDecoder)
    column = np.empty(len(serialized), dtype=object)
    column[:] = serialized
    return decoder.batch({decoder.names[0]: column}, max_rows)


# Requests.


def examples(document: Mapping[str, Any], max_rows: int) -> list[bytes]:
    """`examples`, each with what `context` has for all of them, serialized. Raises BadRequest."""
    if "context" in document and type(document["context"]) is not dict:
        raise BadRequest("Example must be JSON object but got JSON " + _kind(document["context"]))
    context = _example(document["context"]) if "context" in document else b""
    listed = document.get("examples")
    if "examples" not in document:
        raise BadRequest("When using classify/regress API, 'examples' key is required and must be a list")
    if type(listed) is not list:
        raise BadRequest("'examples' must be a list, got " + shown(listed))
    if not listed:
        raise BadRequest("'examples' must have at least one element")
    _bound(len(listed), len(context), max_rows)
    # Messages that follow one another are merged by whoever parses them, which is what upstream relies on too.
    return [context + _example(one) for one in listed]


def given(request: pb.ExamplesRequest, max_rows: int) -> list[bytes]:
    """The serialized Examples of a gRPC request. Raises BadRequest."""
    kind = request.input.WhichOneof("kind")
    if kind == "example_list":
        _bound(len(request.input.example_list.examples), 0, max_rows)
        return list(request.input.example_list.examples)
    if kind == "example_list_with_context":
        listed = request.input.example_list_with_context
        _bound(len(listed.examples), len(listed.context), max_rows)
        return [listed.context + one for one in listed.examples]
    return []


def _bound(rows: int, context: int, max_rows: int) -> None:
    """Before anything is made of them."""
    bound_rows(rows, max_rows, "the memory that they take")
    if rows * context > MOST_CONTEXT_BYTES:
        size = f"{rows} examples with a context of {context} bytes each"
        raise BadRequest(f"The request has {size}, at most {MOST_CONTEXT_BYTES} bytes together are allowed", 413)


def _example(value: Any) -> bytes:
    if type(value) is not dict:
        raise BadRequest("Example must be JSON object but got JSON " + _kind(value))
    found = pb.Example()
    for name, content in value.items():
        feature = found.features.feature[name]
        for one in content if type(content) is list else [content]:
            _add(name, feature, one)
    return found.SerializeToString()


def _add(name: str, feature: pb.Feature, value: Any) -> None:
    if type(value) is bool or type(value) is int:
        if not -_INT64 <= value < _INT64:
            raise BadRequest(f"Feature: {name} has uint64 element. Only int64 is supported.")
        _check(name, feature, "int64")
        feature.int64_list.value.append(int(value))
    elif type(value) is float:
        _check(name, feature, "float")
        if abs(value) > float(np.finfo(np.float32).max) and abs(value) != float("inf"):
            raise BadRequest(f"Feature: {name}: {shown(value)} cannot be converted to float without loss")
        feature.float_list.value.append(value)
    elif type(value) is str:
        _check(name, feature, "bytes")
        feature.bytes_list.value.append(value.encode())
    elif type(value) is dict and value.keys() == {"b64"} and type(value["b64"]) is str:
        _check(name, feature, "bytes")
        feature.bytes_list.value.append(_octets(name, value["b64"]))
    else:
        raise BadRequest(f"Feature: {name} has element with unexpected JSON type: {_kind(value)}")


def _check(name: str, feature: pb.Feature, kind: str) -> None:
    there = feature.WhichOneof("kind")
    if there not in (None, f"{kind}_list"):
        raise BadRequest(f"Unexpected element type in feature: {name} expecting type: {there.removesuffix('_list')}")


def _octets(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"Feature: {name}: {shown(text)} is not base64") from None


def _kind(value: Any) -> str:
    return {dict: "Object", list: "Array", str: "String", type(None): "Null", bool: "Boolean"}.get(
        type(value), "Number"
    )


# Answers.


class Unusable(Exception):
    """The signature's outputs are not what its method promises; in upstream's words."""


def classes(
    outputs: Arrays, rows: int, floats: Callable[[NDArray[Any]], list[Any]] = np.ndarray.tolist
) -> list[list[tuple[str, float]]]:
    """Label and score of each class of each example; a label that the model does not give is empty. Raises Unusable."""
    labels, scores = outputs.get("classes"), outputs.get("scores")
    if labels is None and scores is None:
        raise Unusable('Expected classification signature outputs to contain at least one of "classes" or "scores".')
    for name, one in (("classes", labels), ("scores", scores)):
        if one is not None and (one.ndim != 2 or len(one) != rows):
            raise Unusable(f"Expected Tensor shape: [batch_size num_{name}] but got {list(one.shape)}")
    if labels is not None and scores is not None and labels.shape != scores.shape:
        raise Unusable(f"Tensors class and score should match in shape: {list(labels.shape)} and {list(scores.shape)}")
    if labels is not None and labels.dtype != object:
        raise Unusable(f"Expected classes Tensor of DT_STRING. Got: {labels.dtype.name}")
    if scores is not None and scores.dtype.kind != "f":
        raise Unusable(f"Expected scores Tensor of DT_FLOAT. Got: {scores.dtype.name}")
    some = labels if labels is not None else scores
    assert some is not None
    words = [["" for _ in row] for row in some] if labels is None else [[_text(one) for one in row] for row in labels]
    numbers = [[0.0 for _ in row] for row in some] if scores is None else floats(scores)
    return [list(zip(*pair, strict=True)) for pair in zip(words, numbers, strict=True)]


def values(outputs: Arrays, rows: int) -> list[float]:
    """The value of each example. Raises Unusable."""
    found = outputs.get("outputs")
    if found is None:
        raise Unusable("No regression outputs found in SignatureDef: it needs an output of the name outputs")
    if found.shape not in ((rows,), (rows, 1)):
        raise Unusable(f"Expected Tensor shape: either [batch_size] or [batch_size, 1] but got {list(found.shape)}")
    if found.dtype == object:
        raise Unusable(f"Expected output Tensor of DT_FLOAT. Got: {found.dtype.name}")
    return [float(one) for one in found.reshape(-1)]


def _text(octets: bytes) -> str:
    return octets.decode(errors="replace")


def written(verb: str, outputs: Arrays, rows: int) -> Response:
    """`{"results": [...]}`."""
    try:
        results: Any = classes(outputs, rows, _short) if verb == "classify" else _short(np.array(values(outputs, rows)))
    except Unusable as why:
        return Response(400, json.dumps({"error": str(why)}).encode())
    # Row by row: between any two the interpreter may let another thread run.
    return Response(200, b'{"results":[%b]}' % b",".join([dump_any(row) for row in results]))


def _short(found: NDArray[Any]) -> list[Any]:
    """float32 in as few digits as tell it from its neighbours."""
    narrow = np.ascontiguousarray(found, dtype=np.float32)
    if np.isfinite(narrow).all():
        short: list[Any] = orjson.loads(orjson.dumps(narrow, option=orjson.OPT_SERIALIZE_NUMPY))
        return short
    exact = np.array([float(str(one)) for one in narrow.reshape(-1)])
    return exact.reshape(narrow.shape).tolist()  # type: ignore[no-any-return]


def message(verb: str, outputs: Arrays, rows: int) -> pb.ClassificationResponse | pb.RegressionResponse:
    """The response without its model_spec. Raises Unusable."""
    if verb == "classify":
        classified = pb.ClassificationResponse()
        for row in classes(outputs, rows):
            one = classified.result.classifications.add()
            for label, score in row:
                one.classes.add(label=label, score=score)
        return classified
    regressed = pb.RegressionResponse()
    for value in values(outputs, rows):
        regressed.result.regressions.add(value=value)
    return regressed
