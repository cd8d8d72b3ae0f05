"""The Open Inference Protocol over gRPC, asked by Triton's own client where that can say it; and grpc.health.v1.

What is right is what the same rows get over TensorFlow Serving's REST protocol.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2 as pb
from tritonclient.utils import InferenceServerException

from ropewalk_server.protocols.protos import health_pb2
from tests.server.certificates import certificate, secret
from tests.server.conftest import Published, Server, ready, row
from tests.server.grpc_clients import SECONDS, connected, refused
from tests.server.openinference import ROW, TYPES, array, by_tfserving
from tests.server.zoo import IMAGE, MIXED, NUMBERS, TENSOR

Code = grpc.StatusCode
INFER = "/inference.GRPCInferenceService/ModelInfer"
CHECK = "/grpc.health.v1.Health/Check"


@pytest.fixture(scope="module")
def client(zoo: Server) -> Iterator[triton.InferenceServerClient]:
    """Triton's client on the zoo."""
    with triton.InferenceServerClient(f"127.0.0.1:{zoo.grpc_port}") as found:
        yield found


@pytest.fixture(scope="module")
def infer(zoo: Server) -> Iterator[Any]:
    """ModelInfer with messages as they are."""
    with grpc.insecure_channel(f"127.0.0.1:{zoo.grpc_port}") as channel:
        yield channel.unary_unary(INFER, pb.ModelInferRequest.SerializeToString, pb.ModelInferResponse.FromString)


Columns = dict[str, tuple[str, NDArray[Any]]]


def ask(client: triton.InferenceServerClient, version: int | str, columns: Columns, **more: Any) -> triton.InferResult:
    """One request with raw tensors."""
    inputs = []
    for name, (datatype, given) in columns.items():
        one = triton.InferInput(name, given.shape, datatype)
        one.set_data_from_numpy(given)
        inputs.append(one)
    return client.infer("cancer", inputs, model_version=str(version), client_timeout=SECONDS, **more)


def mixed(*rows: dict[str, Any], **changes: tuple[str, NDArray[Any]]) -> Columns:
    """The columns of mixed rows."""
    return {**{name: (kind, array(name, list(rows))) for name, kind in TYPES.items()}, **changes}


def test_scalars_of_every_type_go_round(client: triton.InferenceServerClient, zoo: Server) -> None:
    """With an id and chosen outputs, in the order asked for."""
    rows = [ROW, {**ROW, "plan": "free", "ok": False, "n": -7}, {**ROW, "plan": "unheard of", "note": "b"}]
    outputs = [triton.InferRequestedOutput(name) for name in ("probabilities", "label", "score")]
    got = ask(client, MIXED, mixed(*rows), outputs=outputs, request_id="r 1", parameters={"mine": 7})
    expected = by_tfserving(zoo, MIXED, *rows)
    assert [one.decode() for one in got.as_numpy("label")] == [one["label"] for one in expected]
    exact = np.array([one["probabilities"] for one in expected], dtype=np.float32)
    assert np.array_equal(got.as_numpy("probabilities"), exact)
    response = got.get_response()
    assert (response.model_name, response.model_version, response.id) == ("cancer", "1", "r 1")
    assert [one.name for one in response.outputs] == ["probabilities", "label", "score"]


KINDS = {
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64, "INT8": np.int8,
    "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "FP16": np.float16, "FP32": np.float32,
    "FP64": np.float64,
}  # fmt: skip


@pytest.mark.parametrize("datatype", list(KINDS))
def test_every_datatype_is_converted_where_nothing_is_lost(
    client: triton.InferenceServerClient, zoo: Server, datatype: str
) -> None:
    """The number 3 in any type, for a FLOAT and for an INT64."""
    three = (datatype, np.array([3], dtype=KINDS[datatype]))
    got = ask(client, MIXED, mixed(ROW, x=three, n=three))
    expected = by_tfserving(zoo, MIXED, {**ROW, "x": 3.0, "n": 3})[0]
    assert np.array_equal(got.as_numpy("probabilities")[0], np.array(expected["probabilities"], np.float32))


FIELDS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip


def typed(name: str, datatype: str, values: list[Any], shape: list[int] | None = None) -> Any:
    """An input with its values in the field of the datatype."""
    one = pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape or [len(values)])
    if datatype in FIELDS:
        getattr(one.contents, FIELDS[datatype]).extend(values)
    return one


def asked(version: int = MIXED, **changes: Any) -> Any:
    """A ModelInferRequest of one mixed row; a change is an input or None."""
    request = pb.ModelInferRequest(model_name="cancer", model_version=str(version))
    for name, value in {**ROW, **changes}.items():
        if value is None:
            continue
        if not isinstance(value, pb.ModelInferRequest.InferInputTensor):
            value = typed(name, TYPES[name], [value.encode() if isinstance(value, str) else value])
        request.inputs.append(value)
    return request


@pytest.mark.parametrize("datatype", [name for name in FIELDS if name not in ("BOOL", "BYTES")])
def test_typed_contents_are_answered_in_typed_contents(infer: Any, zoo: Server, datatype: str) -> None:
    """As the request asked, so the answer."""
    three = typed("x", datatype, [3])
    answer = infer(asked(x=three, n=typed("n", datatype, [3])), timeout=SECONDS)
    assert not answer.raw_output_contents
    found = {one.name: one for one in answer.outputs}
    expected = by_tfserving(zoo, MIXED, {**ROW, "x": 3.0, "n": 3})[0]
    assert list(found["label"].contents.bytes_contents) == [expected["label"].encode()]
    given = np.array(found["probabilities"].contents.fp32_contents, np.float32)
    assert np.array_equal(given, np.array(expected["probabilities"], np.float32))
    assert list(found["probabilities"].shape) == [1, 3]


def test_images_tensors_regressions_and_what_is_missing(client: triton.InferenceServerClient, zoo: Server) -> None:
    """The other kinds of models; optional inputs that are absent."""
    pixels = np.arange(0, 256, 8, dtype=np.uint8).reshape(2, 4, 4, 1)
    expected = [one["probabilities"] for one in by_tfserving(zoo, IMAGE, *pixels.tolist())]
    got = ask(client, IMAGE, {"pixels": ("UINT8", pixels)}).as_numpy("probabilities")
    assert np.array_equal(got, np.array(expected, np.float32))
    values = np.random.default_rng(1).normal(size=(3, 10)).astype(np.float32)
    got = ask(client, TENSOR, {"x": ("FP32", values)}).as_numpy("y")
    assert np.allclose(got, by_tfserving(zoo, TENSOR, *values.astype(float).tolist()), atol=1e-6)
    one = ("FP32", np.array([1.5], np.float32))
    got = ask(client, NUMBERS, {"a": one, "b": one}).as_numpy("value")
    assert np.allclose(got, by_tfserving(zoo, NUMBERS, {"a": 1.5, "b": 1.5}))
    rest = {"y": None, "m": None, "note": None}
    columns = {name: given for name, given in mixed(ROW).items() if name not in rest}
    expected = by_tfserving(zoo, MIXED, {**ROW, **rest})[0]["probabilities"]
    assert np.array_equal(ask(client, MIXED, columns).as_numpy("probabilities")[0], np.array(expected, np.float32))


def test_the_prediction_id_is_metadata_and_a_parameter(serving: Server) -> None:
    """A label for it is counted."""
    columns = {name: ("FP32", np.array([value], np.float32)) for name, value in row().items()}
    with triton.InferenceServerClient(f"127.0.0.1:{serving.grpc_port}") as client:
        ident = ask(client, 1, columns).get_response().parameters["ropewalk-prediction-id"].string_param
    assert serving.post("/v1/models/cancer:feedback", {"id": ident, "label": "malignant"})[0] == 200


def test_receipts_of_every_row_are_an_output(serving: Server) -> None:
    """Where the call's metadata ask for them, and in no parameter."""
    columns = {name: ("FP32", np.array([value] * 2, np.float32)) for name, value in row().items()}
    with triton.InferenceServerClient(f"127.0.0.1:{serving.grpc_port}") as client:
        got = ask(client, 1, columns, headers={"ropewalk-receipts": "body"})
    assert not got.get_response().parameters
    labels = [{"id": one.decode(), "label": "malignant"} for one in got.as_numpy("receipts")]
    assert serving.post("/v1/models/cancer:feedback", labels)[1] == {"accepted": 2, "refused": []}


def raw(request: Any, *contents: bytes) -> Any:
    """The request with raw contents beside what it has."""
    request.raw_input_contents.extend(contents)
    return request


BAD: list[tuple[Any, list[str]]] = [
    (asked(x=None), ["input x", "missing"]),
    (asked(z=typed("z", "FP32", [1.0])), ["'z'", "x, y, n"]),
    (asked(z=typed("x", "FP32", [1.0])), ["input x", "twice"]),
    (asked(x=typed("x", "FP99", [])), ["input x", "FP99", "FP32"]),
    (asked(x=typed("x", "FP16", [], [1])), ["input x", "raw_input_contents"]),
    (asked(x=typed("x", "FP32", [1.0, 2.0], [1])), ["input x", "takes 1 values, got 2"]),
    (asked(x=typed("x", "FP32", [], [1])), ["input x", "takes 1 values, got 0"]),
    (asked(x=typed("x", "FP32", [1.0], [-1])), ["input x", "-1"]),
    (asked(x=typed("x", "FP32", [1.0], [1 << 62])), ["input x", str(1 << 62)]),
    (asked(x=typed("x", "FP32", [float("nan")])), ["input x", "row 0", "NaN"]),
    (asked(n=typed("n", "INT8", [300])), ["input n", "300", "int8"]),
    (asked(n=typed("n", "FP64", [1.5])), ["input n", "1.5", "whole"]),
    (asked(plan=typed("plan", "BYTES", [b"\xff"])), ["input plan", "UTF-8"]),
    (raw(asked(), b"abcd"), ["1 entries", "7 inputs"]),
    (raw(asked(), *[b"abcd"] * 7), ["input x", "contents"]),
    (pb.ModelInferRequest(model_name="cancer", id="x" * 257), ["id", "256"]),
    (pb.ModelInferRequest(model_name="cancer", parameters={"sequence_id": pb.InferParameter(int64_param=1)}),
     ["sequence_id"]),
    (pb.ModelInferRequest(model_name="cancer", outputs=[{"name": "labels"}]), ["labels", "probabilities"]),
    (pb.ModelInferRequest(model_name="cancer", model_version="one"), ["one"]),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "words"), BAD)
def test_bad_requests_name_what_is_wrong(infer: Any, request_: Any, words: list[str]) -> None:
    """And the server goes on."""
    code, details = refused(infer, request_)
    assert code == Code.INVALID_ARGUMENT, details
    for word in words:
        assert word in details
    assert infer(asked(), timeout=SECONDS).model_name == "cancer"


@pytest.mark.parametrize(
    ("shape", "content", "words"),
    [
        ([1], b"abc", "takes 4 bytes, got 3"),
        ([1 << 38, 1 << 38], b"abcd", "got 4"),
        ([], b"abcd", "[] has no rows"),
        ([0], b"", "no rows"),
    ],
)
def test_raw_bytes_must_be_as_long_as_the_shape_says(infer: Any, shape: list[int], content: bytes, words: str) -> None:
    """Too short, too long, none."""
    inputs = [{"name": name, "datatype": "FP32", "shape": shape} for name in "ab"]
    request = pb.ModelInferRequest(model_name="cancer", model_version=str(NUMBERS), inputs=inputs)
    request.raw_input_contents.extend([content, content])
    code, details = refused(infer, request)
    assert (code, words in details) == (Code.INVALID_ARGUMENT, True), details


def test_live_ready_and_metadata(client: triton.InferenceServerClient, zoo: Server) -> None:
    """What the specification lists, equal to REST's."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata().name == "ropewalk"
    assert client.is_model_ready("cancer")
    assert client.is_model_ready("cancer", "2")
    metadata = client.get_model_metadata("cancer", str(MIXED), as_json=True)
    rest = zoo.get(f"/v2/models/cancer/versions/{MIXED}")[1]
    assert metadata["versions"] == rest["versions"]
    assert metadata["platform"] == rest["platform"]
    for ours, theirs in ((metadata["inputs"], rest["inputs"]), (metadata["outputs"], rest["outputs"])):
        assert [(one["name"], one["datatype"], [int(n) for n in one["shape"]]) for one in ours] == [
            (one["name"], one["datatype"], one["shape"]) for one in theirs
        ]


def test_models_and_versions_that_are_not_there(client: triton.InferenceServerClient) -> None:
    """NOT_FOUND; and a method that is not there."""
    for name, version in (("other", ""), ("cancer", "9")):
        for call in (client.get_model_metadata, client.is_model_ready):
            with pytest.raises(InferenceServerException, match="not"):
                call(name, version)
    with pytest.raises(InferenceServerException, match="UNIMPLEMENTED"):
        client.get_model_repository_index()
    columns = mixed(ROW)
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        ask(client, 9, columns)


def health(channel: grpc.Channel, service: str = "") -> int:
    """1 for SERVING, 2 for NOT_SERVING."""
    method = channel.unary_unary(
        CHECK, health_pb2.HealthCheckRequest.SerializeToString, health_pb2.HealthCheckResponse.FromString
    )
    return method(health_pb2.HealthCheckRequest(service=service), timeout=SECONDS).status


def test_health_before_and_with_a_model(server: Server, published: Published) -> None:
    """As load balancers ask; ModelReady says the same."""
    server.tell(None, [])
    server.start()
    with (
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
        triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client,
    ):
        assert health(channel) == 2
        assert client.is_server_live()
        assert not client.is_server_ready()
        assert not client.is_model_ready("cancer")
        server.tell(1, published[1][:1])
        server.until(lambda: health(channel) == 1)
        assert health(channel, "inference.GRPCInferenceService") == 1
        assert client.is_model_ready("cancer")
        with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
            health(channel, "other.Service")
        assert refused(channel.unary_unary("/grpc.health.v1.Health/Watch"), b"")[0] == Code.UNIMPLEMENTED


def test_nobody_comes_in_without_a_token(tmp_path: Path, published: Published) -> None:
    """Whatever is asked for; but load balancers may ask for health."""
    secret(tmp_path / "tokens", one=b"first-token\n")
    with contextmanager(ready)(tmp_path, published, {"ROPEWALK_AUTHENTICATION": "Token"}) as server:
        with connected(server) as client:
            for path in (INFER, "/tensorflow.serving.PredictionService/Predict", "/nowhere/at.all"):
                for metadata in ((), (("authorization", "Bearer x"),), (("authorization", "first-token"),)):
                    code, details = refused(client.raw(path), b"", metadata=metadata)
                    assert (code, "Bearer" in details) == (Code.UNAUTHENTICATED, True)
            known = (("authorization", "Bearer first-token"),)
            assert client.raw("/inference.GRPCInferenceService/ServerLive")(b"", metadata=known)
            assert refused(client.raw(INFER), b"", metadata=known)[0] == Code.NOT_FOUND
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            assert health(channel) == 1


def test_tls(tmp_path: Path, published: Published) -> None:
    """With the protocol that gRPC's clients negotiate."""
    certificate(tmp_path / "tls", "mine")
    with contextmanager(ready)(tmp_path, published, {"ROPEWALK_TLS": "Secret"}) as server:
        trusted = grpc.ssl_channel_credentials((tmp_path / "tls/tls.crt").read_bytes())
        with grpc.secure_channel(f"127.0.0.1:{server.grpc_port}", trusted) as channel:
            assert health(channel) == 1
        hello = ["openssl", "s_client", "-alpn", "http/1.1", "-connect", f"127.0.0.1:{server.grpc_port}"]
        shown = subprocess.run(hello, input=b"", capture_output=True, check=False).stdout
        assert b"No ALPN negotiated" in shown


def test_a_renewed_certificate_is_shown_to_new_channels(tmp_path: Path, published: Published) -> None:
    """Without a restart, to clients that trust no other; and one that is there goes on."""
    certificate(tmp_path / "tls", "old")
    with contextmanager(ready)(tmp_path, published, {"ROPEWALK_TLS": "Secret"}) as server:
        address, renewed = f"127.0.0.1:{server.grpc_port}", tmp_path / "tls/tls.crt"
        with grpc.secure_channel(address, grpc.ssl_channel_credentials(renewed.read_bytes())) as before:
            assert health(before) == 1
            certificate(tmp_path / "tls", "new")
            trusted = renewed.read_bytes()

            def is_new() -> bool:
                with grpc.secure_channel(address, grpc.ssl_channel_credentials(trusted)) as channel:
                    try:
                        return health(channel) == 1
                    except grpc.RpcError:
                        return False

            server.until(is_new)
            assert health(before) == 1
