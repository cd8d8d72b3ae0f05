"""Every limit of the HTTP side against a client that means ill: a clear answer, a count, and the server goes on."""

from __future__ import annotations

import gzip
import json
import re
import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import Published, Server, ready, row
from tests.server.observed import resident

PREDICT = "/v1/models/cancer:predict"
HEAD = f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\n".encode()


def body() -> bytes:
    """A good request."""
    return json.dumps({"instances": [row()]}).encode()


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, published: tuple[Path, list[dict[str, Any]]]) -> Iterator[Server]:
    """A server that takes 64 KiB and 20 rows a request, and gives a client half a second."""
    limits = {"maxBodyBytes": 65536, "maxRows": 20, "deadlineSeconds": 0.5, "maxConcurrency": 4}
    yield from ready(tmp_path_factory.mktemp("limited"), published, limits=limits)


def rejected(server: Server) -> dict[str, int]:
    """`ropewalk_server_rejected_total` by reason."""
    text = server.get("/metrics", monitoring=True)[1]["text"]
    return {m[1]: int(m[2]) for m in re.finditer(r'rejected_total\{[^}]*reason="(\w+)"\} (\d+)', text)}


def send(server: Server, *parts: bytes, pause: float = 0.0, seconds: float = 10.0) -> bytes:
    """What comes back until the server closes; parts are sent with pauses, as far as the server lets us."""
    with socket.create_connection(("127.0.0.1", server.ports[0]), timeout=seconds) as client:
        answered = select.poll()
        answered.register(client, select.POLLIN)
        try:
            for part in parts:
                client.sendall(part)
                answered.poll(pause * 1000)  # an answer ends the pause
        except OSError:
            pass
        received = b""
        try:
            while more := client.recv(65536):
                received += more
        except ConnectionResetError:
            pass
    return received


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def endless() -> Iterator[bytes]:
    """Chunks, a megabyte in all."""
    for _ in range(64):
        yield chunk(b"1" * 16384)


BOMB = gzip.compress(b"0" * 50_000_000)
CASES: list[tuple[str, tuple[bytes, ...], bytes, str]] = [
    ("a body that says how big it is", (HEAD + b"content-length: 70000\r\n\r\n",), b"413", "body_bytes"),
    ("a length beyond all numbers", (HEAD + b"content-length: 99999999999999999999\r\n\r\n",), b"4", ""),
    ("chunks without end", (HEAD + b"transfer-encoding: chunked\r\n\r\n", *endless()), b"413", "body_bytes"),
    ("a gzip bomb", (HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB), BOMB), b"41", ""),
    (
        "a gzip body",
        (HEAD + b"content-encoding: gzip\r\ncontent-length: 9\r\n\r\n123456789",),
        b"415",
        "content_encoding",
    ),
    ("a long header", (HEAD + b"x: " + b"a" * 40_000 + b"\r\n\r\n",), b"431", "header_bytes"),
    ("many headers", (HEAD + b"".join(b"x%d: y\r\n" % i for i in range(4000)) + b"\r\n",), b"431", "header_bytes"),
    ("no HTTP at all", (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,), b"400", "malformed"),
    ("an upgrade", (HEAD + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 0\r\n\r\n",), b"400", "malformed"),
    ("two lengths", (HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",), b"400", "malformed"),
    ("a body that stops", (HEAD + b"content-length: 500\r\n\r\n{",), b"408", "receive_time"),
]


@pytest.mark.parametrize(("_name", "parts", "status", "reason"), CASES, ids=[case[0] for case in CASES])
def test_what_is_too_much_is_answered_counted_and_survived(
    limited: Server, _name: str, parts: tuple[bytes, ...], status: bytes, reason: str
) -> None:
    """A 4xx in JSON, the connection closed, and the next client served."""
    answer = send(limited, *parts)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:300]
    assert b'{"error":' in answer
    if reason:
        assert rejected(limited)[reason] >= 1
    assert limited.predict(row())[0] == 200


def test_a_slow_sender_is_let_go(limited: Server) -> None:
    """One byte at a time does not hold a connection for ever."""
    began = time.monotonic()
    data = HEAD + b"content-length: 400\r\n\r\n"
    answer = send(limited, data, *[b" "] * 40, pause=0.05)
    assert time.monotonic() - began < 5
    assert answer.startswith(b"HTTP/1.1 408"), answer[:300]


def test_connections_are_bounded(limited: Server) -> None:
    """The one too many is told so; those that are there go on."""
    held = [socket.create_connection(("127.0.0.1", limited.ports[0]), timeout=5) for _ in range(1024)]
    try:
        answer = send(limited, HEAD)
        assert answer.startswith(b"HTTP/1.1 503"), answer[:300]
        head = HEAD + b"content-length: %d\r\n\r\n" % len(body())
        held[0].sendall(head + body())
        assert held[0].recv(65536).startswith(b"HTTP/1.1 200")
    finally:
        for one in held:
            one.close()
    assert rejected(limited)["connections"] >= 1


def test_too_many_requests_at_once_are_refused_before_they_are_read(
    tmp_path_factory: pytest.TempPathFactory, published: Published
) -> None:
    """429 with a pause to keep, whatever the body says; what was accepted is answered."""
    limits = {"maxConcurrency": 1, "maxRows": 100_000, "maxBodyBytes": 64 << 20}
    large = json.dumps({"instances": [row()] * 50_000}).encode()
    head = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(large)
    with contextmanager(ready)(tmp_path_factory.mktemp("busy"), published, limits=limits) as server:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: send(server, head, large, seconds=60), range(4)))
        statuses = sorted(answer.split()[1] for answer in answers)
        assert statuses[0] == b"200"
        refused = [answer for answer in answers if answer.split()[1] == b"429"]
        assert refused, statuses
        assert all(b"retry-after: 1" in answer for answer in refused)
        assert rejected(server)["concurrency"] == len(refused)


def test_rows_are_bounded_in_every_form(limited: Server) -> None:
    """And counted."""
    before = rejected(limited).get("rows", 0)
    status, answer, _ = limited.post(PREDICT, {"instances": [row()] * 21})
    assert (status, "20" in answer["error"]) == (413, True)
    columns = {name: [value] * 21 for name, value in row().items()}
    assert limited.post(PREDICT, {"inputs": columns})[0] == 413
    assert rejected(limited)["rows"] - before == 2


@pytest.mark.parametrize("levels", [40, 500, 20_000])
def test_deep_json_is_refused_and_counted(limited: Server, levels: int) -> None:
    """In the values, beside them, and beyond what the parser takes, over both protocols."""
    nest = b"[" * levels + b"]" * levels
    good = body()[:-1]
    before = rejected(limited).get("json_depth", 0)
    bodies = [(PREDICT, b'{"instances": %s}' % nest), (PREDICT, good + b', "more": %s}' % nest)]
    bodies += [("/v2/models/cancer/infer", b'{"inputs": [{"name": "x", "parameters": {"y": %s}}]}' % nest)]
    for path, text in bodies:
        status, answer, _ = limited.post(path, text)
        assert (status, "32 levels" in answer["error"]) == (400, True), answer
    assert rejected(limited)["json_depth"] - before == len(bodies)
    assert limited.post(PREDICT, good + b', "more": [[[1]]]}')[0] == 200


def test_memory_stays_flat_under_abuse(limited: Server) -> None:
    """Two hundred hostile requests leave no more behind than a few."""
    attacks = [case[1] for case in CASES if case[3] != "receive_time"]
    for parts in attacks:
        send(limited, *parts)
    before = resident(limited)
    for _ in range(20):
        for parts in attacks:
            send(limited, *parts)
    assert resident(limited) - before < 8 * 1024 * 1024
    assert limited.predict(row())[0] == 200


def test_pipelined_requests_are_answered_in_their_order(limited: Server) -> None:
    """A bad one among them takes nothing from the others."""
    good = HEAD + b"content-length: %d\r\n\r\n" % len(body()) + body()
    bad = HEAD + b"content-length: 2\r\n\r\n{}"
    last = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body()) + body()
    answer = send(limited, good + bad + last)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"400", b"200"]
