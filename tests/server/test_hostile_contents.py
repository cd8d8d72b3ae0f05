"""What is well framed and means ill: numbers, texts, pictures, tensors and messages of gRPC, on a real server."""

from __future__ import annotations

import base64
import json
import socket
import struct
import zlib
from itertools import product
from typing import Any

import grpc
import numpy as np
import pytest
import simplejpeg
from tritonclient.grpc import service_pb2 as pb

from ropewalk_server.transport.http2 import frames as h2
from tests.server.conftest import Server
from tests.server.grpc_clients import columns, connected, refused, request
from tests.server.observed import resident
from tests.server.openinference import ROW, binary, post_binary, tensors
from tests.server.zoo import IMAGE, MIXED, NUMBERS, WORDS

HUGE = ("1e39", "-1e39", "1e400", "1" * 400, "-" + "1" * 400)
"""More than a float32, a double and any integer of the wire hold."""


def v1(version: int) -> str:
    """Where a version is asked in TensorFlow Serving's protocol."""
    return f"/v1/models/cancer/versions/{version}:predict"


def mixed(form: str, **changes: str) -> bytes:
    """A mixed row in a form of that protocol; the changes are JSON as it is."""
    told = {name: json.dumps(value) for name, value in ROW.items()} | changes
    if form == "instances":
        return b'{"instances": [{%s}]}' % ", ".join(f'"{name}": {value}' for name, value in told.items()).encode()
    return b'{"inputs": {%s}}' % ", ".join(f'"{name}": [{value}]' for name, value in told.items()).encode()


@pytest.mark.parametrize("number", HUGE, ids=lambda text: text[:6])
@pytest.mark.parametrize(("form", "name"), list(product(("instances", "inputs"), "xynm")))
def test_a_number_beyond_its_feature_is_refused_by_name(zoo: Server, form: str, name: str, number: str) -> None:
    """It is neither infinity nor what is left of it in 64 bits, also where the feature might be missing."""
    status, answer, _ = zoo.post(v1(MIXED), mixed(form, **{name: number}))
    assert (status, name in answer["error"].replace(":", " ").split()) == (400, True), answer
    assert len(answer["error"]) < 300
    assert zoo.post(v1(MIXED), mixed(form))[0] == 200


def png_that_unpacks_to(size: int, *, width: int = 4) -> bytes:
    """A PNG of so many bytes in its IDAT, whatever its head says."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, 4, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(size), 9))
        + chunk(b"IEND", b"")
    )


def pictures(*files: bytes) -> bytes:
    """As JSON."""
    return json.dumps({"inputs": [{"b64": base64.b64encode(one).decode()} for one in files]}).encode()


JPEG = simplejpeg.encode_jpeg(np.zeros((2000, 2000, 1), np.uint8), colorspace="GRAY", colorsubsampling="Gray")
POSTS: list[tuple[str, bytes]] = [
    *((v1(MIXED), mixed(form, **{name: one})) for form in ("instances", "inputs") for name in "xn" for one in HUGE),
    (v1(MIXED), mixed("instances", n="1" * 100_000)),
    (v1(MIXED), b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    (v1(MIXED), mixed("instances", x="[" * 31 + "]" * 31)),
    ("/v2/models/cancer/infer", b'{"inputs": [{"parameters": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}]}"),
    (v1(MIXED), b'{"instances": [' + b"[]," * 100_000 + b"[]]}"),
    (v1(MIXED), mixed("instances", plan='"\\ud800"')),
    (v1(WORDS), b'{"instances": [{"comment": "\\ud800\\udc00\\udfff", "sent": "2026-01-31T09:30:00Z", "x": 1}]}'),
    (v1(MIXED), mixed("instances")[:-3] + b', "x": 1.0' * 50_000 + b"}]}"),
    (v1(IMAGE), pictures(png_that_unpacks_to(100_000_000, width=1 << 30))),
    (v1(IMAGE), pictures(JPEG)),
    (v1(IMAGE), pictures(JPEG[:200])),
]  # fmt: skip
BOMBS = [pictures(png_that_unpacks_to(100_000_000)), pictures(*[png_that_unpacks_to(1_000_000)] * 500)]
"""Of whose bytes only the picture's are unpacked."""
BINARIES: list[tuple[bytes | dict[str, Any], bytes, str | None]] = [
    ({"inputs": [*tensors(x=binary("x", "FP32", size))]}, bytes(sent), None)
    for size, sent in ((4, 3), (4, 5), (1 << 62, 4), (-4, 4), (4, 1_000_000))
]
BINARIES += [(b'{"inputs": []}', b"", length) for length in ("-1", "9" * 400, "1", "x", "1000000")]
BINARIES += [({"inputs": [binary("x", "FP32", 4, [1 << 40, 1 << 40])]}, bytes(4), None)]
PREFACE = h2.PREFACE + h2.settings({})
GARBAGE: list[bytes] = [
    bytes(range(256)) * 100,
    h2.PREFACE + bytes(range(256)) * 100,
    PREFACE + h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"\xff" * 16_000),
    PREFACE + h2.frame(h2.HEADERS, 0, 1, b"\0" * 100) + h2.frame(h2.CONTINUATION, 0, 1, b"\0" * 1000) * 100,
    PREFACE + h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"\x40\x01a\x7f\x9d\x1f" + b"a" * 4000 + b"\xbe" * 10_000),
    PREFACE + h2.frame(h2.DATA, 0, 1, bytes(16_000)) * 10,
    PREFACE + h2.frame(h2.PING, 0, 0, bytes(8)) * 20_000,
    PREFACE + b"\xff\xff\xff" + bytes(6) + bytes(100_000),
]


def truncated() -> list[tuple[str, bytes]]:
    """Messages of gRPC that are cut off within a tensor, and some that are none."""
    many = {name: np.repeat(values, 1000) for name, values in columns(ROW).items()}
    infer = pb.ModelInferRequest(model_name="cancer", model_version=str(NUMBERS))
    infer.inputs.add(name="a", datatype="FP32", shape=[100_000])
    infer.raw_input_contents.append(bytes(400_000))
    found = []
    for path, whole in (
        (PREDICTION + "Predict", request(many, MIXED).SerializeToString()),
        (OIP + "ModelInfer", infer.SerializeToString()),
    ):
        found += [(path, whole[: len(whole) * part // 7]) for part in range(1, 7)]
        found += [(path, b"\xff" * 100_000), (path, b"\x0b" * 100_000)]
    return found


PREDICTION, MODEL, OIP = (
    f"/{service}/"
    for service in (
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "inference.GRPCInferenceService",
    )
)
SPEC = b"\x0a\x06cancer"
"""Field 1, the name: of a ModelSpec, and of every request of the Open Inference Protocol that is for a model."""
METHODS = [
    *((PREDICTION + name, b"\x0a\x08" + SPEC) for name in ("Predict", "Classify", "Regress", "GetModelMetadata")),
    (MODEL + "GetModelStatus", b"\x0a\x08" + SPEC),
    *((OIP + name, SPEC) for name in ("ModelInfer", "ModelMetadata", "ModelReady")),
    ("/grpc.health.v1.Health/Check", SPEC),
]


@pytest.mark.parametrize(("path", "whole"), METHODS, ids=[path.rpartition("/")[2] for path, _ in METHODS])
def test_a_message_that_is_cut_off_or_none_at_all_is_refused_by_every_method(
    zoo: Server, path: str, whole: bytes
) -> None:
    """With the code of a client's mistake, by a process that goes on; methods whose requests are empty read nothing."""
    pid, ends = zoo.pid, range(1, len(whole))
    with connected(zoo) as client:
        for message in (
            *(whole[:end] for end in ends),
            b"\xff" * 100,
            whole + b"\x0f",
            whole + b"\x12\xff\xff\xff\xff\x0f",
        ):
            code, details = refused(client.raw(path), message)
            assert (code, details != "") == (grpc.StatusCode.INVALID_ARGUMENT, True), (message, details)
        for name in ("ServerLive", "ServerReady", "ServerMetadata"):
            assert client.raw(OIP + name)(b"\xff" * 100, timeout=10)
    assert (zoo.pid, zoo.get("/readyz", monitoring=True)[0]) == (pid, 200)


def torn(server: Server, sent: bytes) -> bytes:
    """What comes back on a connection of the gRPC port until the server closes it, or the client's end has come."""
    with socket.create_connection(("127.0.0.1", server.grpc_port), timeout=10) as client:
        received = b""
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            while more := client.recv(65536):
                received += more
        except OSError:
            pass
    return received


def attack(server: Server) -> None:
    """All of it once; each is answered, and refused where it is wrong."""
    for path, body in POSTS:
        status, answer, _ = server.post(path, body)
        assert (status in (400, 413), "error" in answer) == (True, True), (path, body[:80], status, answer)
    for body in BOMBS:
        assert server.post(v1(IMAGE), body)[0] == 200
    for head, tail, length in BINARIES:
        status, said = post_binary(server, MIXED, head, tail, length)
        assert (status, b'"error"' in said) == (400, True), (head, said)
    for sent in GARBAGE:
        assert torn(server, sent), sent[:80]
    with connected(server) as client:
        for path, message in truncated():
            assert refused(client.raw(path), message)[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_memory_stays_flat_under_hostile_contents(zoo: Server) -> None:
    """Thirty times all of it leave no more behind than fifteen: as with what is badly framed (test_limits)."""
    pid = zoo.pid
    for _ in range(15):
        attack(zoo)
    before = resident(zoo)
    for _ in range(30):
        attack(zoo)
        assert resident(zoo) - before < 8 * 1024 * 1024
    assert zoo.pid == pid
    assert zoo.post(v1(MIXED), mixed("instances"))[0] == 200
