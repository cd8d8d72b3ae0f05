"""Write the corpus' valid messages: `python -m tests.fuzz.seeds`. Messages that broke something are added by hand."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)
from tritonclient.grpc import service_pb2
from tritonclient.http import InferInput
from tritonclient.http._utils import _get_inference_request

from tests.fuzz.handlers import EXAMPLES, SEVERAL, STRINGS
from tests.server.grpc_clients import columns, request
from tests.server.openinference import ROW, tensors
from tests.server.zoo import IMAGE, MIXED, NUMBERS, TENSOR, WORDS

CORPUS = Path(__file__).parent / "corpus"
SAID = {"comment": "Good \u2013 GOOD!", "reply": "bad", "sent": "2026-02-03T09:30:00+01:00", "read": None, "x": 0.5}
PIXELS = np.arange(16).reshape(4, 4, 1)


def rest() -> dict[str, bytes]:
    """By name: one message a decoder and form."""
    png = base64.b64encode(tf.io.encode_png(PIXELS.astype(np.uint8)).numpy()).decode()
    jpeg = base64.b64encode(tf.io.encode_jpeg(PIXELS.astype(np.uint8)).numpy()).decode()
    v1, v2 = "POST /v1/models/cancer/versions/{}:{}", "POST /v2/models/cancer/versions/{}/infer"
    found = {
        "rows": (v1.format(MIXED, "predict"), {"instances": [ROW, {**ROW, "y": None}]}),
        "columns": (v1.format(MIXED, "predict"), {"inputs": {name: [value] * 2 for name, value in ROW.items()}}),
        "numbers": (v1.format(NUMBERS, "predict"), {"instances": [{"a": 1, "b": 2.5}] * 3}),
        "tensor": (v1.format(TENSOR, "predict"), {"instances": [[0.5] * 10] * 2}),
        "tensor-columns": (v1.format(TENSOR, "predict"), {"inputs": [[1e3] * 10] * 40}),
        "words": (v1.format(WORDS, "predict"), {"instances": [SAID, {**SAID, "reply": None, "read": ""}]}),
        "pixels": (v1.format(IMAGE, "predict"), {"instances": [PIXELS.tolist()]}),
        "png": (v1.format(IMAGE, "predict"), {"instances": [{"b64": png}]}),
        "jpeg": (v1.format(IMAGE, "predict"), {"inputs": [{"b64": jpeg}]}),
        "signature": (
            v1.format(NUMBERS, "predict"),
            {"signature_name": "serving_default", "instances": [{"a": 1, "b": 2}]},
        ),
        "classify": (v1.format(MIXED, "classify"), {"examples": [ROW]}),
        "feedback": ("POST /v1/models/cancer:feedback", {"id": "AAAA." + "A" * 40, "label": "x"}),
        "infer": (v2.format(MIXED), {"id": "7", "inputs": tensors(), "outputs": [{"name": "score"}]}),
        "infer-pixels": (v2.format(IMAGE), {"inputs": [pixels("UINT8")]}),
        "infer-long": (v2.format(TENSOR), {"inputs": [long()]}),
        "infer-parameters": (v2.format(MIXED), {"parameters": {"binary_data_output": True}, "inputs": tensors()}),
    }
    found |= foreign()
    written = {name: f"{first}\n\n{json.dumps(document)}".encode() for name, (first, document) in found.items()}
    for name, path in {
        "status": "/v1/models/cancer",
        "label": "/v1/models/cancer/labels/stable",
        "metadata": f"/v1/models/cancer/versions/{MIXED}/metadata",
        "live": "/v2/health/live",
        "server": "/v2",
        "model": f"/v2/models/cancer/versions/{IMAGE}",
        "openapi": "/openapi.json",
    }.items():
        written[name] = f"GET {path}\n\n".encode()
    return written | {"binary": binary()}


def foreign() -> dict[str, tuple[str, dict[str, Any]]]:
    """By name: requests for the imported models, each decoder and form of any tensors and of Examples."""
    v1, v2 = "POST /v1/models/cancer/versions/{}:{}", "POST /v2/models/cancer/versions/{}/infer"
    features = {"x": [0.5, 1.0], "n": 3, "word": ["red", {"b64": "/w=="}]}
    return {
        "examples-classify": (v1.format(EXAMPLES, "classify"), {"context": features, "examples": [{"y": True}, {}]}),
        "examples-regress": (
            v1.format(EXAMPLES, "regress"),
            {"signature_name": "value", "examples": [{"x": [3.0, 0.5]}]},
        ),
        "examples-predict": (
            v1.format(EXAMPLES, "predict"),
            {
                "signature_name": "value",
                "instances": [{"b64": base64.b64encode(example().SerializeToString(deterministic=True)).decode()}],
            },
        ),
        "tensors-rows": (
            v1.format(SEVERAL, "predict"),
            {"instances": [{"a": [1, 0.5], "b": 1}, {"a": [0, 1], "b": -2}]},
        ),
        "tensors-columns": (v1.format(SEVERAL, "predict"), {"inputs": {"a": [[1, 1], [0, 1]], "b": [1, 2]}}),
        "tensors-open": (v1.format(SEVERAL, "predict"), {"signature_name": "total", "inputs": [[1, 2.5, 3]] * 2}),
        "strings": (v1.format(STRINGS, "predict"), {"instances": ["red", {"b64": "Z3JlZW4="}]}),
        "strings-infer": (
            v2.format(STRINGS),
            {"inputs": [{"name": "word", "datatype": "BYTES", "shape": [2], "data": ["red", "green"]}]},
        ),
        "tensors-infer": (
            v2.format(SEVERAL),
            {
                "inputs": [
                    {"name": "a", "datatype": "FP32", "shape": [2, 2], "data": [[1, 0.5], [0, 1]]},
                    {"name": "b", "datatype": "INT32", "shape": [2], "data": [1, -2]},
                ],
                "outputs": [{"name": "even"}, {"name": "sum"}],
            },
        ),
    }


def example() -> Any:
    """Features of every kind."""
    found = tf.train.Example()
    found.features.feature["x"].float_list.value.extend([3.0, 0.5])
    found.features.feature["n"].int64_list.value.append(-1)
    found.features.feature["word"].bytes_list.value.append(b"red")
    return found


def pixels(datatype: str) -> dict[str, Any]:
    """An image as the Open Inference Protocol has it in JSON."""
    return {"name": "pixels", "datatype": datatype, "shape": [1, 4, 4, 1], "data": PIXELS.flatten().tolist()}


def long() -> dict[str, Any]:
    """A tensor whose list is read as `number_lists` does."""
    return {"name": "x", "datatype": "FP32", "shape": [60, 10], "data": [0.125] * 600}


def binary() -> bytes:
    """Triton's own binary form of one row of ten numbers."""
    given = InferInput("x", [1, 10], "FP32")
    given.set_data_from_numpy(np.ones((1, 10), dtype=np.float32))
    nothing: dict[str, Any] = dict.fromkeys(("outputs", "timeout", "custom_parameters"))
    body, size = _get_inference_request(
        inputs=[given], request_id="", sequence_id=0, sequence_start=False, sequence_end=False, priority=0, **nothing
    )
    head = f"POST /v2/models/cancer/versions/{TENSOR}/infer\ninference-header-content-length: {size}\n\n"
    return head.encode() + bytes(body)


def grpc() -> dict[str, bytes]:
    """By name: one message a method and form, from upstream's classes."""
    spec = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    spec.model_spec.name = "cancer"
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "cancer"
    tensor = predict_pb2.PredictRequest()
    tensor.CopyFrom(request({"x": np.ones((2, 10), np.float32)}, TENSOR))
    raw = service_pb2.ModelInferRequest(model_name="cancer", model_version=str(TENSOR), id="1")
    raw.inputs.add(name="x", datatype="FP32", shape=[1, 10])
    raw.raw_input_contents.append(np.ones(10, np.float32).tobytes())
    typed = service_pb2.ModelInferRequest(model_name="cancer", model_version=str(NUMBERS))
    for name in ("a", "b"):
        typed.inputs.add(name=name, datatype="FP32", shape=[2]).contents.fp32_contents.extend([1.0, 2.0])
    tfs, oip = "/tensorflow.serving.PredictionService/", "/inference.GRPCInferenceService/"
    named = service_pb2.ModelMetadataRequest(name="cancer")
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name = "cancer"
    classify.model_spec.version.value = EXAMPLES
    classify.input.example_list.examples.append(example())
    regress = regression_pb2.RegressionRequest()
    regress.model_spec.CopyFrom(classify.model_spec)
    regress.model_spec.signature_name = "value"
    regress.input.example_list_with_context.context.CopyFrom(example())
    regress.input.example_list_with_context.examples.add()
    several = {"a": np.array([[1, 0.5]], np.float32), "b": np.array([4], np.int32)}
    total = predict_pb2.PredictRequest()
    total.CopyFrom(request({"x": np.array([[1.5, 2.5, 0.0]])}, SEVERAL))
    total.model_spec.signature_name = "total"
    mixed = service_pb2.ModelInferRequest(model_name="cancer", model_version=str(SEVERAL))
    mixed.inputs.add(name="a", datatype="FP32", shape=[1, 2])
    mixed.inputs.add(name="b", datatype="INT32", shape=[1])
    mixed.raw_input_contents.extend(several[name].tobytes() for name in ("a", "b"))
    words = service_pb2.ModelInferRequest(model_name="cancer", model_version=str(STRINGS))
    words.inputs.add(name="word", datatype="BYTES", shape=[2]).contents.bytes_contents.extend([b"red", b"\xff"])
    messages: dict[str, tuple[str, Any]] = {
        "predict": (tfs + "Predict", request(columns(ROW, ROW), MIXED)),
        "predict-tensor": (tfs + "Predict", tensor),
        "classify": (tfs + "Classify", classify),
        "regress": (tfs + "Regress", regress),
        "predict-several": (tfs + "Predict", request(several, SEVERAL)),
        "predict-open": (tfs + "Predict", total),
        "predict-strings": (tfs + "Predict", request({"word": np.array([b"red", b"\xff"], object)}, STRINGS)),
        "infer-several": (oip + "ModelInfer", mixed),
        "infer-strings": (oip + "ModelInfer", words),
        "metadata": (tfs + "GetModelMetadata", spec),
        "status": ("/tensorflow.serving.ModelService/GetModelStatus", status),
        "infer-raw": (oip + "ModelInfer", raw),
        "infer-typed": (oip + "ModelInfer", typed),
        "model": (oip + "ModelMetadata", named),
        "ready": (oip + "ModelReady", service_pb2.ModelReadyRequest(name="cancer")),
    }
    return {name: path.encode() + b"\n" + one.SerializeToString() for name, (path, one) in messages.items()}


def main() -> None:
    """Write all of them."""
    for target, found in {"rest": rest(), "grpc": grpc()}.items():
        for name, message in found.items():
            (CORPUS / target).mkdir(parents=True, exist_ok=True)
            (CORPUS / target / name).write_bytes(message)


if __name__ == "__main__":
    main()
