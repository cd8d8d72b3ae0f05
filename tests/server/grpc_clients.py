"""Upstream's own gRPC clients on the test servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc

from tests.server.conftest import Server

TYPES = {"x": np.float32, "y": np.float32, "n": np.int64, "m": np.int64, "ok": np.bool_, "plan": object, "note": object}
SECONDS = 10.0


class TensorFlowServing:
    """Stubs of tensorflow-serving-api."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.raw = channel.unary_unary  # a method by its path, bytes in and bytes out
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(channel)

    def predict(self, inputs: dict[str, Any], version: int | None = 1, **more: Any) -> dict[str, NDArray[Any]]:
        """Outputs by name, strings as bytes."""
        answer = self.prediction.Predict(request(inputs, version, **more), timeout=SECONDS)
        assert answer.model_spec.name == "cancer"
        assert answer.model_spec.signature_name == "serving_default"
        return {name: tf.make_ndarray(proto) for name, proto in answer.outputs.items()}


@contextmanager
def connected(server: Server) -> Iterator[TensorFlowServing]:
    """Stubs on a channel of their own."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield TensorFlowServing(channel)


def request(inputs: dict[str, Any], version: int | None = None, name: str = "cancer", **more: Any) -> Any:
    """A PredictRequest; inputs are TensorProtos, or what tf.make_tensor_proto takes."""
    found = predict_pb2.PredictRequest(**more)
    found.model_spec.name = name
    if version is not None:
        found.model_spec.version.value = version
    for key, value in inputs.items():
        proto = value if isinstance(value, tensor_pb2.TensorProto) else tf.make_tensor_proto(value)
        found.inputs[key].CopyFrom(proto)
    return found


def columns(*rows: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Rows of the mixed version as arrays of the declared types."""
    return {name: np.array([row[name] for row in rows], dtype=TYPES[name]) for name in rows[0]}


def refused(call: Any, *arguments: Any, **more: Any) -> tuple[grpc.StatusCode, str]:
    """The code and the words of a call that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=SECONDS, **more)
    return caught.value.code(), caught.value.details()
