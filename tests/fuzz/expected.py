"""What each kept message is answered with, and kept messages that are too large for a file."""

from __future__ import annotations

import json

from ropewalk_server.protocols.common.jsonbody import MOST_NESTED
from ropewalk_server.protocols.protos import tfserving_pb2 as pb
from tests.fuzz.handlers import SEVERAL
from tests.server.zoo import MIXED, NUMBERS, TENSOR, WORDS

GOOD = {"rest": "200", "grpc": "OK"}
REFUSED = {"rest": "400", "grpc": "INVALID_ARGUMENT"}
WELL = {
    "rest": {
        *("binary", "columns", "infer", "infer-long", "infer-parameters", "infer-pixels", "jpeg", "label", "live"),
        *(
            "metadata",
            "model",
            "numbers",
            "openapi",
            "pixels",
            "png",
            "rows",
            "server",
            "signature",
            "status",
            "tensor",
        ),
        *("tensor-columns", "words", "examples-classify", "examples-predict", "examples-regress", "strings"),
        *("strings-infer", "tensors-columns", "tensors-infer", "tensors-open", "tensors-rows"),
        *("pixels-that-begin-as-a-jpeg", "png-interlaced", "png-of-16-bits", "png-of-a-palette"),
        *("png-with-a-megabyte-too-much", "png-with-a-second-header"),
    },
    "grpc": {
        *("classify", "infer-raw", "infer-several", "infer-strings", "infer-typed", "metadata", "model", "predict"),
        *("predict-open", "predict-several", "predict-strings", "predict-tensor", "ready", "regress", "status"),
    },
}
"""Files of the corpus that are answered with GOOD; others with REFUSED, or as OTHERWISE says."""
OTHERWISE = {
    "rest": {"path-of-half-escapes": "404", "version-of-19-digits": "404"},
    "grpc": {"signature-unknown": "FAILED_PRECONDITION", "method-unknown": "UNIMPLEMENTED"},
}


def of(target: str, name: str) -> str:
    """The word with which the answer to a file of the corpus begins."""
    return OTHERWISE[target].get(name, (GOOD if name in WELL[target] else REFUSED)[target])


def predict(version: int, document: str) -> bytes:
    """A request in TensorFlow Serving's JSON."""
    return f"POST /v1/models/cancer/versions/{version}:predict\n\n{document}".encode()


def unpacked_floats() -> bytes:
    """Of a tensor, each with a tag of its own, as protobuf may write them."""
    asked = pb.PredictRequest()
    asked.model_spec.name = "cancer"
    asked.model_spec.version.value = TENSOR
    value = b"\x2d\x00\x00\x80\x3f" * 20_000  # field 5, float_val, one by one
    tensor = b"\x08\x01" + value
    entry = b"\x0a\x01x\x12" + _varint(len(tensor)) + tensor
    message = asked.SerializeToString() + b"\x12" + _varint(len(entry)) + entry
    return b"/tensorflow.serving.PredictionService/Predict\n" + message


def _varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes((number & 127 | 128,))
        number >>= 7
    return found + bytes((number,))


LARGE: dict[str, tuple[str, bytes, str]] = {
    "a key that stands twice among many": (
        "rest",
        predict(MIXED, '{"instances": [{' + ", ".join(f'"k{at % 9_999}": 1' for at in range(10_000)) + "}]}"),
        "400",
    ),
    "many keys that are none of the model's": (
        "rest",
        predict(NUMBERS, json.dumps({"instances": [{f"k{at}": 1 for at in range(30_000)}]})),
        "400",
    ),
    "a million empty lists": ("rest", predict(TENSOR, '{"instances": [%s[]]}' % ("[]," * 1_000_000)), "413"),
    "one more list than may be parsed": (
        "rest",
        predict(TENSOR, '{"instances": [%s[]]}' % ("[]," * MOST_NESTED)),
        "413",
    ),
    "more rows than the limit": (
        "rest",
        predict(NUMBERS, json.dumps({"inputs": {"a": [1] * 201, "b": [1] * 201}})),
        "413",
    ),
    "texts beyond the rows": (
        "rest",
        predict(WORDS, json.dumps({"inputs": {"comment": ["x"] * 50_000, "sent": ["x"] * 50_000, "x": [1] * 50_000}})),
        "413",
    ),
    "a large request that names another signature": (
        "rest",
        predict(SEVERAL, json.dumps({"signature_name": "total", "inputs": [[0.015625] * 256] * 190})),
        "200",
    ),
    "a length of half a megabyte": (
        "grpc",
        b"/tensorflow.serving.PredictionService/Predict\n\x0a" + b"\xff" * 500_000,
        "INVALID_ARGUMENT",
    ),
    "floats of a message that are not packed": ("grpc", unpacked_floats(), "INVALID_ARGUMENT"),
}
"""By what it was: to which handler, what, and the word with which the answer begins."""
