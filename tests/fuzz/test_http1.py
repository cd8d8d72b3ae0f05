"""HTTP/1.1 over real sockets: whatever bytes come in whatever pieces, the server neither fails nor keeps anything.

Its corpus is requests as they are on the wire; answers of all but the good ones are in REFUSED.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ropewalk_server.transport.http1.server import HttpServer
from ropewalk_server.transport.http1.types import Request, Response
from ropewalk_server.transport.limits import Limits
from tests.fuzz.seeds import CORPUS

EXAMPLES = int(os.environ.get("ROPEWALK_FUZZ_EXAMPLES", "400")) // 4
SEEDS = {path.name: path.read_bytes() for path in sorted((CORPUS / "http1").iterdir())}
REFUSED = {
    "gzip-bomb": 415, "length-beyond-the-limit": 413, "two-lengths": 400, "length-and-chunks": 400,
    "length-of-20-digits": 400, "chunk-size-that-is-no-number": 400, "header-without-a-colon": 400,
    "nul-in-a-header": 400, "http2-preface": 400, "tls-hello": 400,
}  # fmt: skip
CHUNKED = b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGE = {
    "a body in crumbs": (CHUNKED + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n", 400),
    "a trailer without end": (CHUNKED + b"0\r\n" + b"X: y\r\n" * 100_000, 431),
    "a head without end": (b"GET /p HTTP/1.1\r\n" + b"X: y\r\n" * 100_000, 431),
    "a path without end": (b"GET /" + b"p" * 300_000, 431),
}
"""By what it was: bytes that are too many for a file, and the status of the answer."""
LATER = b"/later"


class Backend:
    """A server that answers with the body's length, LATER in another turn of the loop; `failed` is what the loop told
    of exceptions."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.server = HttpServer(
            self._handle, lambda status, text: Response(status, text.encode()), Limits(max_body_bytes=1 << 20)
        )

    def _handle(self, request: Request) -> Response | asyncio.Future[Response]:
        answer = Response(200, b"%d" % len(request.body))
        return asyncio.ensure_future(self._later(answer)) if request.path == LATER else answer

    async def _later(self, answer: Response) -> Response:
        await asyncio.sleep(0)
        return answer


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Backend, int]]:
    """It, on a port of its own."""
    backend = Backend()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: backend.failed.append(str(context)))
    port = await backend.server.start("127.0.0.1", 0)
    try:
        yield backend, port
    finally:
        await backend.server.stop(grace_seconds=1)


async def answer(parts: Sequence[bytes]) -> bytes:
    """What the server says to these until it has nothing more to say."""
    async with asyncio.timeout(10), serving() as (backend, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        said = b""
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            writer.write_eof()
            while part := await reader.read(1 << 16):
                said += part
        except ConnectionError:  # it has heard enough
            pass
        writer.close()
        while backend.server.connections:
            await asyncio.sleep(0)
        assert backend.server.buffered == 0
        assert backend.failed == []
        return said


@pytest.mark.parametrize("name", SEEDS)
def test_the_corpus_is_answered(name: str) -> None:
    """At once and byte by byte."""
    for parts in ([SEEDS[name]], [bytes((one,)) for one in SEEDS[name]]):
        said = asyncio.run(answer(parts)).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 %d " % REFUSED.get(name, 200)), said[:200]


@pytest.mark.parametrize("name", LARGE)
def test_what_has_no_end_is_ended(name: str) -> None:
    """By the server: nobody waits for the rest."""
    message, status = LARGE[name]
    assert asyncio.run(answer([message])).startswith(b"HTTP/1.1 %d " % status)


PIECES = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\r\n\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n",
    b"Content-Length: 3\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n",
    b"Upgrade: h2c\r\n", b"HTTP/1.1", b"HTTP/9.9", b"\xff" * 9,
    b"GET /later HTTP/1.1\r\n\r\n", b"HEAD /p HTTP/1.1\r\n\r\n", b"x" * 3000,
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> list[bytes]:
    """Requests of the corpus one behind another, changed in a few places and cut into pieces; or just bytes."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.lists(st.binary(max_size=60), max_size=8))
    message = b"".join(draw(st.lists(st.sampled_from(list(SEEDS.values())), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(message)))
        end = at + draw(st.sampled_from([0, 0, 1, 2, 8]))
        piece = draw(st.one_of(st.just(b""), st.sampled_from(PIECES), st.binary(min_size=1, max_size=4)))
        message = message[:at] + piece + message[end:]
    cuts = sorted({0, *draw(st.lists(st.integers(0, len(message)), max_size=4)), len(message)})
    return [message[start:end] for start, end in pairwise(cuts)]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_any_bytes_end_in_order(parts: list[bytes]) -> None:
    """An answer or an end, no exception, and nothing is held."""
    said = asyncio.run(answer(parts))
    assert not said or said.startswith(b"HTTP/1.1 ")
    assert b"HTTP/1.1 500" not in said
