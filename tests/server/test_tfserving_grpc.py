"""TensorFlow Serving's gRPC services over a real server, asked by upstream's own stubs.

What is right is what the same rows get over REST.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    regression_pb2,
)

from tests.server.conftest import Published, Server, row
from tests.server.grpc_clients import TensorFlowServing, columns, connected, refused, request
from tests.server.openinference import ROW, by_tfserving
from tests.server.zoo import IMAGE, MIXED, NUMBERS, TENSOR

Code = grpc.StatusCode
PREDICT = "/tensorflow.serving.PredictionService/Predict"


@pytest.fixture(scope="module")
def client(zoo: Server) -> Iterator[TensorFlowServing]:
    """Stubs on the zoo."""
    with connected(zoo) as found:
        yield found


def probabilities(answer: Any) -> NDArray[Any]:
    """Of REST's predictions."""
    return np.array([one["probabilities"] for one in answer], dtype=np.float32)


def test_scalars_of_every_type_are_answered_as_over_rest(client: TensorFlowServing, zoo: Server) -> None:
    """To the last bit, several rows at once."""
    rows = [ROW, {**ROW, "plan": "free", "ok": False, "n": -7}, {**ROW, "plan": "unheard of", "note": "b"}]
    got = client.predict(columns(*rows))
    expected = by_tfserving(zoo, MIXED, *rows)
    assert [one.decode() for one in got["label"]] == [one["label"] for one in expected]
    assert np.array_equal(got["probabilities"], probabilities(expected))
    assert np.array_equal(got["score"], np.array([one["score"] for one in expected], dtype=np.float32))


def test_images_tensors_and_regressions(client: TensorFlowServing, zoo: Server) -> None:
    """The other kinds of models."""
    pixels = np.arange(0, 256, 8, dtype=np.uint8).reshape(2, 4, 4, 1)
    got = client.predict({"pixels": pixels}, IMAGE)
    assert np.array_equal(got["probabilities"], probabilities(by_tfserving(zoo, IMAGE, *pixels.tolist())))
    values = np.random.default_rng(1).normal(size=(3, 10)).astype(np.float32).round(3)
    got = client.predict({"x": values}, TENSOR)
    assert np.allclose(got["y"], by_tfserving(zoo, TENSOR, *values.astype(float).round(3).tolist()))
    got = client.predict({"a": [1.5, 2.0], "b": [0.25, -1.0]}, NUMBERS)
    assert np.allclose(got["value"], by_tfserving(zoo, NUMBERS, {"a": 1.5, "b": 0.25}, {"a": 2.0, "b": -1.0}))


NUMBER_TYPES = [
    "float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip


@pytest.mark.parametrize("kind", NUMBER_TYPES)
@pytest.mark.parametrize("form", ["content", "values", "one for all", "the last for all that follow"])
def test_every_dtype_is_converted_where_nothing_is_lost(
    client: TensorFlowServing, zoo: Server, kind: str, form: str
) -> None:
    """The number 3 in any type, as bytes, in the field of the type, and for rows that have no value of their own."""
    given = np.array([3, 3, 3], dtype=kind)
    values = {"content": [], "values": [3, 3, 3], "one for all": [3]}.get(form, [3, 3])
    proto = in_fields(tf.as_dtype(kind).as_datatype_enum, values, [3])
    if form == "content":
        proto.tensor_content = given.tobytes()
    assert np.array_equal(tf.make_ndarray(proto), given), "upstream reads it alike"
    inputs = {**columns(ROW, ROW, ROW), "x": proto, "n": proto}
    expected = by_tfserving(zoo, MIXED, {**ROW, "x": 3.0, "n": 3})
    got = client.predict(inputs)["probabilities"]
    assert np.array_equal(got, np.repeat(probabilities(expected), 3, axis=0))


def in_fields(dtype: int, values: list[Any], shape: list[int]) -> tensor_pb2.TensorProto:
    """A TensorProto without tensor_content."""
    field = {
        types_pb2.DT_FLOAT: "float_val", types_pb2.DT_DOUBLE: "double_val", types_pb2.DT_INT64: "int64_val",
        types_pb2.DT_UINT32: "uint32_val", types_pb2.DT_UINT64: "uint64_val", types_pb2.DT_HALF: "half_val",
        types_pb2.DT_BOOL: "bool_val", types_pb2.DT_STRING: "string_val",
    }.get(dtype, "int_val")  # fmt: skip
    if field == "half_val":
        values = [int(one) for one in np.array(values, np.float16).view(np.uint16)]
    proto = tensor_pb2.TensorProto(dtype=dtype, **{field: values})
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def content(text: bytes, shape: list[int]) -> tensor_pb2.TensorProto:
    """Strings as tensor_content."""
    proto = in_fields(types_pb2.DT_STRING, [], shape)
    proto.tensor_content = text
    return proto


@pytest.mark.parametrize(
    ("changes", "equal"),
    [
        ({"plan": content(b"\x03pro", [1])}, {}),
        ({"note": content(b"\x80\x01" + b"n" * 128, [1])}, {"note": "n" * 128}),
        ({"ok": in_fields(types_pb2.DT_BOOL, [False], [1])}, {"ok": False}),
        ({"x": in_fields(types_pb2.DT_FLOAT, [1.25], [1, 1])}, {}),
        ({"x": in_fields(types_pb2.DT_FLOAT, [], [1])}, {"x": 0.0}),
        ({"ok": in_fields(types_pb2.DT_BOOL, [], [1])}, {"ok": False}),
        ({"note": in_fields(types_pb2.DT_STRING, [], [1])}, {"note": None}),
        ({"y": None, "m": None, "note": None}, {"y": None, "m": None, "note": None}),
        ({"y": np.array([np.nan], np.float32), "m": [-(2**63)], "note": [""]}, {"y": None, "m": None, "note": None}),
    ],
)
def test_short_forms_and_what_is_missing(
    client: TensorFlowServing, zoo: Server, changes: dict[str, Any], equal: dict[str, Any]
) -> None:
    """Strings as bytes, [N, 1], and absent, NaN, INT64_MIN and "" of optional inputs."""
    inputs = {name: value for name, value in {**columns(ROW), **changes}.items() if value is not None}
    expected = by_tfserving(zoo, MIXED, {**ROW, **equal})
    assert np.array_equal(client.predict(inputs)["probabilities"], probabilities(expected))


def test_outputs_are_chosen_and_stand_in_the_fields_that_clients_read(client: TensorFlowServing) -> None:
    """As upstream answers by default: float_val and string_val."""
    answer = client.prediction.Predict(request(columns(ROW), 1, output_filter=["score", "label"]), timeout=5)
    assert set(answer.outputs) == {"label", "score"}
    assert len(answer.outputs["score"].float_val) == len(answer.outputs["label"].string_val) == 1
    assert answer.model_spec.version.value == 1


def test_the_prediction_id_is_metadata_and_a_label_for_it_is_counted(serving: Server) -> None:
    """The same receipt as over REST."""
    inputs = {name: [np.float32(value)] for name, value in row().items()}
    with connected(serving) as client:
        _, call = client.prediction.Predict.with_call(request(inputs), timeout=5)
    ident = dict(call.initial_metadata())["ropewalk-prediction-id"]
    assert serving.post("/v1/models/cancer:feedback", {"id": ident, "label": "malignant"})[0] == 200


def test_receipts_of_every_row_are_an_output(serving: Server) -> None:
    """For a call that asks for them in its metadata; then there is no id in the answer's."""
    inputs = {name: [np.float32(value)] * 2 for name, value in row().items()}
    wanted = (("ropewalk-receipts", "body"),)
    with connected(serving) as client:
        answer, call = client.prediction.Predict.with_call(request(inputs), timeout=5, metadata=wanted)
    assert "ropewalk-prediction-id" not in dict(call.initial_metadata())
    labels = [{"id": one.decode(), "label": "malignant"} for one in answer.outputs["receipts"].string_val]
    assert serving.post("/v1/models/cancer:feedback", labels)[1] == {"accepted": 2, "refused": []}


FLOATS = types_pb2.DT_FLOAT
elsewhere = in_fields(types_pb2.DT_INT32, [1], [1])
elsewhere.dtype = FLOATS


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"x": None}, Code.INVALID_ARGUMENT, ["input x", "missing"]),
        ({"z": [1.0]}, Code.INVALID_ARGUMENT, ["'z'", "x, y, n"]),
        ({"x": ["wide"]}, Code.INVALID_ARGUMENT, ["input x", "BYTES", "FP32"]),
        ({"x": [1.0, 2.0]}, Code.INVALID_ARGUMENT, ["rows"]),
        ({"x": 1.0}, Code.INVALID_ARGUMENT, ["input x", "[]"]),
        ({"x": [[1.0, 2.0]]}, Code.INVALID_ARGUMENT, ["input x", "[1, 2]"]),
        ({"x": [float("nan")]}, Code.INVALID_ARGUMENT, ["input x", "row 0", "NaN"]),
        ({"x": np.array([3e300])}, Code.INVALID_ARGUMENT, ["input x", "3e+300"]),
        ({"n": [1.5]}, Code.INVALID_ARGUMENT, ["input n", "1.5", "whole"]),
        ({"plan": np.array([b"\xff"], object)}, Code.INVALID_ARGUMENT, ["input plan", "UTF-8"]),
        ({"x": np.array([1j])}, Code.INVALID_ARGUMENT, ["input x", "dtype 18", "DT_FLOAT"]),
        ({"x": in_fields(99, [], [1])}, Code.INVALID_ARGUMENT, ["input x", "dtype 99"]),
        ({"x": elsewhere}, Code.INVALID_ARGUMENT, ["input x", "0 in float_val", "int_val"]),
        ({"x": in_fields(FLOATS, [1.0, 2.0], [1])}, Code.INVALID_ARGUMENT, ["input x", "takes 1", "got 2"]),
        ({"x": in_fields(FLOATS, [1.0], [-1])}, Code.INVALID_ARGUMENT, ["input x", "-1"]),
        ({"x": in_fields(FLOATS, [1.0], [1] * 9)}, Code.INVALID_ARGUMENT, ["input x", "8 sizes"]),
        ({"x": in_fields(FLOATS, [1.0], [1 << 30] * 8)}, Code.INVALID_ARGUMENT, ["input x", "send tensor_content"]),
        ({"x": in_fields(FLOATS, [1.0], [1 << 38])}, Code.INVALID_ARGUMENT, ["input x", "4194304"]),
        ({"n": in_fields(types_pb2.DT_INT8, [300], [1])}, Code.INVALID_ARGUMENT, ["input n", "300", "int8"]),
        ({"plan": content(b"\x04pro", [1])}, Code.INVALID_ARGUMENT, ["input plan", "add to 4"]),
        ({"plan": content(b"\x80", [1])}, Code.INVALID_ARGUMENT, ["input plan", "ends within"]),
        ({"plan": content(b"\x03", [4])}, Code.INVALID_ARGUMENT, ["input plan", "at least 4"]),
        ({"plan": content(b"\x03", [1 << 38])}, Code.INVALID_ARGUMENT, ["input plan", "at most 10000"]),
    ],
)
def test_bad_inputs_name_what_is_wrong(
    client: TensorFlowServing, changes: dict[str, Any], code: grpc.StatusCode, words: list[str]
) -> None:
    """And the server goes on."""
    inputs = {name: value for name, value in {**columns(ROW), **changes}.items() if value is not None}
    got, details = refused(client.prediction.Predict, request(inputs, 1))
    assert got == code, details
    for word in words:
        assert word in details
    assert "label" in client.predict(columns(ROW))


def test_bytes_must_be_as_long_as_the_shape_says(client: TensorFlowServing) -> None:
    """tensor_content of a wrong length, and a shape that is not known."""
    proto = tf.make_tensor_proto(np.array([1.0, 2.0], np.float32))
    proto.tensor_content = proto.tensor_content[:7]
    code, details = refused(client.prediction.Predict, request({**columns(ROW, ROW), "x": proto}))
    assert (code, "takes 8 bytes, got 7" in details) == (Code.INVALID_ARGUMENT, True)
    unknown = in_fields(FLOATS, [1.0], [])
    unknown.tensor_shape.unknown_rank = True
    code, details = refused(client.prediction.Predict, request({**columns(ROW), "x": unknown}))
    assert (code, "unknown" in details) == (Code.INVALID_ARGUMENT, True)


def test_a_message_that_is_cut_off_anywhere_is_refused(client: TensorFlowServing) -> None:
    """Truncated protobuf, and bytes that are none. A cut between two fields is a message that lacks some."""
    inputs = {name: value for name, value in columns(ROW).items() if name in ("x", "n", "ok", "plan")}
    whole = request(inputs, 1).SerializeToString()
    for cut in (*range(1, len(whole), 7), len(whole) - 1):
        code, _ = refused(client.raw(PREDICT), whole[:cut])
        assert code in (Code.INVALID_ARGUMENT, Code.NOT_FOUND)
    code, details = refused(client.raw(PREDICT), b"\xff" * 100)
    assert (code, "100 bytes" in details) == (Code.INVALID_ARGUMENT, True)


def field(number: int, body: bytes) -> bytes:
    """A length-delimited field of less than 128 bytes."""
    return bytes([number << 3 | 2, len(body)]) + body


def by_hand(**values: bytes) -> bytes:
    """A PredictRequest to NUMBERS with two rows; the values are FLOATs as the bytes of their TensorProto's fields."""
    spec = field(1, b"cancer") + field(2, b"\x08" + bytes([NUMBERS]))
    shape = field(2, field(2, b"\x08\x02"))
    inputs = [field(2, field(1, name.encode()) + field(2, b"\x08\x01" + shape + one)) for name, one in values.items()]
    return field(1, spec) + b"".join(inputs)


def test_floats_that_are_not_packed_or_in_parts(client: TensorFlowServing) -> None:
    """Protobuf allows both, and our messages declare packed floats as bytes."""
    one, two = struct.pack("<f", 1.5), struct.pack("<f", 2.5)
    packed, parts, singly = field(5, one + two), field(5, one) + field(5, two), b"\x2d" + one + b"\x2d" + two
    predict = client.raw(PREDICT)
    expected = predict(by_hand(a=packed, b=packed))
    assert predict(by_hand(a=singly, b=parts)) == expected
    assert predict(by_hand(a=packed, b=singly)) == expected
    code, details = refused(predict, by_hand(a=packed, b=field(5, one + two[:3])))
    assert (code, "input b: 7 bytes" in details) == (Code.INVALID_ARGUMENT, True)


def test_models_versions_labels_and_signatures_that_are_not_there(client: TensorFlowServing) -> None:
    """Upstream's codes and words."""
    predict = client.prediction.Predict
    inputs = columns(ROW)
    assert refused(predict, request(inputs, name="other")) == (
        Code.NOT_FOUND, "Servable not found for request: Latest(other)",
    )  # fmt: skip
    assert refused(predict, request(inputs, 9)) == (
        Code.NOT_FOUND, "Servable not found for request: Specific(cancer, 9)",
    )  # fmt: skip
    assert refused(predict, request(inputs, -(2**63)))[0] == Code.NOT_FOUND
    assert refused(predict, request(inputs, name="")) == (Code.INVALID_ARGUMENT, "Missing ModelSpec")
    wanted = request(inputs)
    wanted.model_spec.version_label = "other"
    assert refused(predict, wanted) == (Code.INVALID_ARGUMENT, "Unrecognized servable version label: other")
    wanted = request(inputs)
    wanted.model_spec.signature_name = "other"
    assert refused(predict, wanted) == (Code.FAILED_PRECONDITION, 'Serving signature key "other" not found.')
    code, details = refused(predict, request(inputs, output_filter=["labels"]))
    assert (code, "labels" in details) == (Code.INVALID_ARGUMENT, True)


def test_methods_that_our_signatures_do_not_have(client: TensorFlowServing) -> None:
    """Classify, Regress, MultiInference; and clients do not decide what is served."""
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name = "cancer"
    code, details = refused(client.prediction.Classify, classify)
    assert (code, "tensorflow/serving/classify. Was: tensorflow/serving/predict" in details) == (
        Code.INVALID_ARGUMENT, True,
    )  # fmt: skip
    classify.model_spec.signature_name = "other"
    assert "No signature was found with the name: other" in refused(client.prediction.Classify, classify)[1]
    regress = regression_pb2.RegressionRequest()
    assert refused(client.prediction.Regress, regress) == (Code.INVALID_ARGUMENT, "Missing ModelSpec")
    multi = inference_pb2.MultiInferenceRequest()
    assert refused(client.prediction.MultiInference, multi)[0] == Code.UNIMPLEMENTED
    reload = model_management_pb2.ReloadConfigRequest()
    assert refused(client.model.HandleReloadConfigRequest, reload)[0] == Code.PERMISSION_DENIED


def test_metadata_is_what_rest_shows(client: TensorFlowServing, zoo: Server) -> None:
    """Names, types and shapes; and upstream's errors."""
    wanted = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    wanted.model_spec.name = "cancer"
    answer = client.prediction.GetModelMetadata(wanted, timeout=5)
    packed = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(packed), "the type's URL is upstream's"
    definition = packed.signature_def["serving_default"]
    rest = zoo.get("/v1/models/cancer/metadata")[1]["metadata"]["signature_def"]["signature_def"]["serving_default"]
    for ours, theirs in ((definition.inputs, rest["inputs"]), (definition.outputs, rest["outputs"])):
        assert set(ours) == set(theirs)
        for name, info in ours.items():
            assert types_pb2.DataType.Name(info.dtype) == theirs[name]["dtype"]
            sizes = [str(dim.size) for dim in info.tensor_shape.dim]
            assert sizes == [dim["size"] for dim in theirs[name]["tensor_shape"]["dim"]]
    assert definition.method_name == rest["method_name"]
    for fields in ([], ["other"]):
        del wanted.metadata_field[:]
        wanted.metadata_field.extend(fields)
        assert refused(client.prediction.GetModelMetadata, wanted)[0] == Code.INVALID_ARGUMENT


def test_status_of_all_versions_and_of_one(client: TensorFlowServing) -> None:
    """And of none."""
    wanted = get_model_status_pb2.GetModelStatusRequest()
    assert refused(client.model.GetModelStatus, wanted) == (Code.INVALID_ARGUMENT, "Missing ModelSpec")
    wanted.model_spec.name = "cancer"
    listed = client.model.GetModelStatus(wanted, timeout=5).model_version_status
    available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert [(one.version, one.state, one.status.error_code) for one in listed] == [
        (version, available, 0) for version in (5, 4, 3, 2, 1)
    ]
    wanted.model_spec.version.value = 2
    assert [one.version for one in client.model.GetModelStatus(wanted, timeout=5).model_version_status] == [2]
    wanted.model_spec.version.value = 9
    assert refused(client.model.GetModelStatus, wanted) == (
        Code.NOT_FOUND, "Could not find version 9 of model cancer",
    )  # fmt: skip


def test_labels_name_versions_as_over_rest(client: TensorFlowServing) -> None:
    """`stable` is what is live, `canary` the newest other version."""
    for label, version, inputs in (
        ("stable", MIXED, columns(ROW)),
        ("canary", NUMBERS, {"a": np.ones(1, np.float32), "b": np.ones(1, np.float32)}),
    ):
        wanted = request(inputs)
        wanted.model_spec.version_label = label
        assert client.prediction.Predict(wanted, timeout=5).model_spec.version.value == version
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.CopyFrom(wanted.model_spec)
        assert [one.version for one in client.model.GetModelStatus(status, timeout=5).model_version_status] == [version]
    status.model_spec.version_label = "other"
    assert refused(client.model.GetModelStatus, status) == (
        Code.INVALID_ARGUMENT, "Unrecognized servable version label: other",
    )  # fmt: skip


def test_many_rows_are_computed_beside_the_event_loop_and_too_many_refused(
    client: TensorFlowServing, zoo: Server
) -> None:
    """10,000 rows take a thread; one more is INVALID_ARGUMENT, 4 MiB and more RESOURCE_EXHAUSTED."""
    values = np.linspace(-2, 2, 10_000, dtype=np.float32).round(3)
    got = client.predict({"a": values, "b": values}, NUMBERS)["value"]
    some = [{"a": float(one), "b": float(one)} for one in values[::1000].astype(float).round(3)]
    assert np.allclose(got[::1000], by_tfserving(zoo, NUMBERS, *some), atol=1e-5)
    more = np.zeros(10_001, np.float32)
    code, details = refused(client.prediction.Predict, request({"a": more, "b": more}, NUMBERS))
    assert (code, "at most 10000" in details) == (Code.INVALID_ARGUMENT, True)
    code, details = refused(client.prediction.Predict, request({"a": np.zeros(1 << 20, np.float32)}, NUMBERS))
    assert (code, "at most 4194304" in details) == (Code.RESOURCE_EXHAUSTED, True)


def test_before_any_version_is_loaded(server: Server) -> None:
    """UNAVAILABLE, with the place where the reason stands."""
    server.tell(None, [])
    server.start()
    with connected(server) as client:
        code, details = refused(client.prediction.Predict, request({}))
        assert (code, "GetModelStatus" in details) == (Code.UNAVAILABLE, True)
    assert server.stop() == 0


def test_sigterm_sends_clients_elsewhere_and_ends_in_order(server: Server, published: Published) -> None:
    """A client that keeps calling gets answers, then UNAVAILABLE, which clients try again: no answer is lost."""
    server.environment = {"ROPEWALK_LEAVE_SECONDS": "0.3"}
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: server.get("/readyz", monitoring=True)[0] == 200)
    asked = request({name: [np.float32(value)] for name, value in row().items()})
    with connected(server) as client:
        client.prediction.Predict(asked, timeout=5)
        server.terminate()
        codes = []
        while not codes or codes[-1] == Code.OK:
            done = client.prediction.Predict.future(asked, timeout=5)
            codes.append(done.code())
        assert (len(codes) > 1, codes[-1]) == (True, Code.UNAVAILABLE)
        assert server.ended() == 0
