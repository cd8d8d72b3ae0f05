"""What the Open Inference Protocol refuses, over a real server: always with the field, the value and what is right."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from tests.server.conftest import Server, row
from tests.server.openinference import TYPES, Given, binary, infer, post_binary, tensor, tensors
from tests.server.zoo import MIXED


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x": None}, ["x is missing", "FP32", "[-1]"]),
        ({"z": tensor("z", [1], "FP32")}, ["'z'", "plan"]),
        ({"x": tensor("x", [None])}, ["input x", "missing"]),
        ({"x": tensor("x", [float("nan")])}, ["input x", "NaN"]),
        ({"x": tensor("x", [float("inf")])}, ["input x", "not finite"]),
        ({"x": tensor("x", [1e39], "FP64")}, ["input x", "1e+39", "FP32"]),
        ({"x": tensor("x", [1e39])}, ["input x", "does not fit FP32"]),
        ({"x": tensor("x", [10**300])}, ["input x", "does not fit FP32"]),
        ({"x": tensor("x", [70000.0], "FP16")}, ["input x", "does not fit FP16"]),
        ({"x": tensor("x", ["1.5"])}, ["input x", '"1.5"', "FP32"]),
        ({"x": tensor("x", [True])}, ["input x", "true", "FP32"]),
        ({"x": tensor("x", [True], "BOOL")}, ["input x", "BOOL", "send FP32"]),
        ({"x": tensor("x", ["1"], "BYTES")}, ["input x", "BYTES", "send FP32"]),
        ({"x": tensor("x", [1.0], "FP8")}, ["input x", '"FP8"', "FP64"]),
        ({"x": tensor("x", [1.0, 2.0])}, ["other inputs have", "rows"]),
        ({"x": {**tensor("x", [1.0]), "shape": [1, 2]}}, ["input x", "[1, 2]", "[-1]"]),
        ({"x": {**tensor("x", [1.0]), "shape": []}}, ["input x", "[]"]),
        ({"x": {**tensor("x", [1.0]), "shape": [-1]}}, ["input x", "shape"]),
        ({"x": {**tensor("x", [1.0]), "shape": [True]}}, ["input x", "shape"]),
        ({"x": {**tensor("x", [1.0]), "shape": "1"}}, ["input x", "shape"]),
        ({"x": {**tensor("x", [1.0]), "shape": [1] * 9}}, ["input x", "shape"]),
        ({"x": tensor("x", [[1.0, 2.0]])}, ["input x", "list of 2"]),
        ({"x": {**tensor("x", [1.0]), "data": 1.0}}, ["input x", "data"]),
        ({"x": {**tensor("x", [1.0]), "datatype": 7}}, ["input x", "datatype"]),
        ({"x": {**tensor("x", [1.0]), "parameters": []}}, ["input x", "parameters"]),
        ({"x": tensor("x", [1.0], parameters={"shared_memory_region": "a"})}, ["shared_memory_region"]),
        ({"x": {"shape": [1]}}, ["input", "name"]),
        ({"n": tensor("n", [1.5], "FP32")}, ["input n", "1.5", "whole"]),
        ({"n": tensor("n", [1.5])}, ["input n", "1.5", "INT64"]),
        ({"n": tensor("n", [2**63])}, ["input n", str(2**63), "INT64"]),
        ({"n": tensor("n", [2**63], "UINT64")}, ["input n", str(2**63), "INT64"]),
        ({"n": tensor("n", [2.0**63], "FP64")}, ["input n", "INT64"]),
        ({"n": tensor("n", [300], "UINT8")}, ["input n", "300", "UINT8"]),
        ({"n": tensor("n", [-1], "UINT64")}, ["input n", "-1", "UINT64"]),
        ({"n": -(2**63)}, ["input n", "missing"]),
        ({"ok": tensor("ok", [1], "INT8")}, ["input ok", "INT8", "send BOOL"]),
        ({"ok": tensor("ok", [1])}, ["input ok", "BOOL"]),
        ({"plan": tensor("plan", [1], "INT64")}, ["input plan", "send BYTES"]),
        ({"plan": tensor("plan", [1])}, ["input plan", "BYTES"]),
        ({"plan": ""}, ["input plan", "missing"]),
        ({"plan": tensor("plan", ["/w=="], parameters={"content_type": "base64"})}, ["input plan", "UTF-8"]),
        ({"plan": tensor("plan", ["?"], parameters={"content_type": "base64"})}, ["input plan", "base64"]),
    ],
)  # fmt: skip
def test_what_would_lose_or_be_guessed_is_refused(zoo: Server, changes: Given, words: list[str]) -> None:
    """With the input, the value and what would be right."""
    status, document = infer(zoo, MIXED, tensors(**changes))
    assert status == 400, document
    for word in words:
        assert word in document["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ["empty"]),
        (b'{"inputs": [', ["Parse error"]),
        (b"[]", ["object"]),
        ({}, ["inputs"]),
        (b'{"inputs": [1e400]}', ["Infinity", "not an object"]),
        ({"inputs": []}, ["inputs"]),
        ({"inputs": [7]}, ["input 7", "name"]),
        ({"inputs": [tensor("x", [1.0]), tensor("x", [1.0])]}, ["x", "twice"]),
        ({"inputs": [tensor(name, []) for name in TYPES]}, ["no rows"]),
        ({"inputs": tensors(), "id": 7}, ["id 7"]),
        ({"inputs": tensors(), "id": "i" * 257}, ["id", "256"]),
        ({"inputs": tensors(), "parameters": 7}, ["parameters"]),
        ({"inputs": tensors(), "parameters": {"sequence_id": 3}}, ["sequence_id", "not supported"]),
        ({"inputs": tensors(), "parameters": {"binary_data_output": 1}}, ["binary_data_output"]),
        ({"inputs": tensors(), "outputs": 7}, ["outputs"]),
        ({"inputs": tensors(), "outputs": [{}]}, ["output", "name"]),
        ({"inputs": tensors(), "outputs": [{"name": "scores"}]}, ["'scores'", "score, probabilities"]),
        ({"inputs": tensors(), "outputs": [{"name": "score"}] * 2}, ["twice"]),
        ({"inputs": tensors(), "outputs": [{"name": "score", "parameters": {"classification": 2}}]}, ["not supported"]),
    ],
)  # fmt: skip
def test_bad_requests_name_what_is_wrong(zoo: Server, body: Any, words: list[str]) -> None:
    """And the server goes on."""
    status, document, _ = zoo.post("/v2/models/cancer/infer", body)
    assert status == 400, document
    for word in words:
        assert word in document["error"]
    assert infer(zoo, MIXED, tensors())[0] == 200


@pytest.mark.parametrize(
    ("changes", "tail", "length", "words"),
    [
        ({"x": binary("x", "FP32", 4)}, b"\0\0\0", None, ["binary_data_size 4", "3 bytes"]),
        ({"x": binary("x", "FP32", 4)}, b"\0\0\0\0\0", None, ["4 bytes", "5 bytes"]),
        ({"x": binary("x", "FP32", 8)}, b"\0" * 8, None, ["input x", "takes 4 bytes", "got 8"]),
        ({"x": binary("x", "FP32", -4)}, b"\0" * 8, None, ["input x", "binary_data_size"]),
        ({"x": binary("x", "FP32", "4")}, b"\0" * 4, None, ["input x", "binary_data_size"]),
        ({"x": {**binary("x", "FP32", 4), "data": [1]}}, b"\0" * 4, None, ["input x", "both"]),
        ({"x": binary("x", "FP32", 4)}, struct.pack("<f", float("nan")), None, ["input x", "NaN"]),
        ({"ok": binary("ok", "BOOL", 1)}, b"\2", None, ["input ok", "got 2"]),
        ({"plan": binary("plan", "BYTES", 3)}, b"\0\0\0", None, ["input plan", "at least 4"]),
        ({"plan": binary("plan", "BYTES", 5)}, b"\2\0\0\0a", None, ["input plan", "length 2", "1 bytes"]),
        ({"plan": binary("plan", "BYTES", 6)}, b"\1\0\0\0ab", None, ["input plan", "got 6"]),
        ({"plan": binary("plan", "BYTES", 5)}, b"\1\0\0\0\xff", None, ["input plan", "UTF-8"]),
        ({"plan": binary("plan", "BYTES", 4, [2])}, b"\0" * 4, None, ["input plan", "at least 8"]),
        ({}, b"", "x", ["Inference-Header-Content-Length"]),
        ({}, b"", "-1", ["Inference-Header-Content-Length"]),
        ({}, b"", "99999", ["Inference-Header-Content-Length"]),
        ({}, b"", "9" * 30, ["Inference-Header-Content-Length"]),
        ({}, b"", "0", ["empty"]),
    ],
)
def test_bytes_must_be_as_long_as_they_say(
    zoo: Server, changes: Given, tail: bytes, length: str | None, words: list[str]
) -> None:
    """Too short, too long, not what the shape takes."""
    status, raw = post_binary(zoo, MIXED, {"inputs": tensors(**changes)}, tail, length)
    assert status == 400, raw
    for word in words:
        assert word in json.loads(raw)["error"]


def test_unknown_models_versions_paths_and_methods(zoo: Server, serving: Server) -> None:
    """404 and 405 in the protocol's form of error."""
    for method, path, status in (
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/other/ready", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("GET", "/v2/models/cancer/versions/9", 404),
        ("GET", "/v2/models/cancer/versions/9/ready", 404),
        ("POST", "/v2/models/cancer/versions/9/infer", 404),
        ("GET", "/v2/models/cancer/config", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/v2x", 404),
        ("GET", "/v2/models/cancer%ff", 404),
        ("GET", "/v2/models/cancer/infer", 405),
        ("POST", "/v2/models/cancer", 405),
        ("POST", "/v2/health/live", 405),
        ("DELETE", "/v2", 405),
    ):
        got, document, _ = zoo.request(method, path, b"{}" if method == "POST" else None)
        assert (got, set(document)) == (status, {"error"}), path


def test_limits(serving: Server) -> None:
    """Rows and bytes, as for the other protocol."""
    many = [
        {"name": name, "datatype": "FP32", "shape": [10_001], "data": [value] * 10_001} for name, value in row().items()
    ]
    status, document, _ = serving.post("/v2/models/cancer/infer", {"inputs": many[:1]})
    assert (status, "is missing" in document["error"]) == (400, True)
    raw = b"".join(struct.pack("<f", value) * 10_001 for value in row().values())
    inputs = [binary(name, "FP32", 4 * 10_001, [10_001]) for name in row()]
    status, raw = post_binary(serving, 1, {"inputs": inputs}, raw)
    assert (status, b"10001 rows" in raw, b"10000" in raw) == (413, True, True)
    words = {"inputs": [binary("mean_radius", "BYTES", 4, [1 << 39])]}
    status, raw = post_binary(serving, 1, words, b"\0" * 4)
    assert (status, b"input mean_radius" in raw, b"at most 10000" in raw) == (413, True, True), (
        "refused before they are parted"
    )
    status, document, _ = serving.post("/v2/models/cancer/infer", b"x" * (5 * 1024 * 1024))
    assert (status, "4194304" in document["error"]) == (413, True)


def test_before_any_version_is_loaded(server: Server) -> None:
    """Alive, not ready, and 503 for what needs a model."""
    server.tell(None, [])
    server.start()
    assert server.get("/v2/health/live")[0] == 200
    assert server.get("/v2/health/ready")[:2] == (503, {"ready": False})
    for path in ("/v2/models/cancer", "/v2/models/cancer/ready"):
        assert server.get(path)[0] == 503
    status, document, _ = server.post("/v2/models/cancer/infer", {"inputs": [tensor("x", [1.0])]})
    assert (status, "/v1/models/cancer" in document["error"]) == (503, True)
    assert server.stop() == 0
