"""Clients of HTTP/1.1 that keep a connection and send nothing, or next to nothing: how long, and what is counted.

Over real sockets, to the real handler; only the times are shorter than a server's, and far apart from each other, so
that it shows which of them ended a connection.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ropewalk_server.protocols.common import rest_errors
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.telemetry.prometheus import render
from ropewalk_server.transport.http1.server import HttpServer
from ropewalk_server.transport.limits import Limits
from tests.server.apps import http_app, load
from tests.server.conftest import Published, row
from tests.server.predictors import predictor

BODY = json.dumps({"instances": [row()]}).encode()
HEAD = b"POST /v1/models/cancer:predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n" % len(BODY)
ENDLESS = HEAD + b"x: " + b"y" * 2000
LONG = 120.0
SECONDS = 20.0
"""In which what is meant to end after 0.3 seconds has ended."""
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def behind(published: Published) -> Predictor:
    """What counts the refusals."""
    return predictor(load(published[0] / "claims" / Path(published[1][0]["uri"].removeprefix("pvc://")), None))


@asynccontextmanager
async def connected(behind: Predictor, **limits: Any) -> AsyncIterator[Client]:
    """A client of a server with these limits."""
    service = http_app(behind)
    server = HttpServer(service.handle, rest_errors.error, Limits(**limits), rejected=behind.reject)
    reader, writer = await asyncio.open_connection("127.0.0.1", await server.start("127.0.0.1", 0))
    try:
        yield reader, writer
    finally:
        writer.close()
        await server.stop(grace_seconds=1.0)


def late(behind: Predictor) -> bool:
    """Whether somebody has been refused because of the time that a request took to arrive; nobody for anything else."""
    text = render(behind, behind.observer, ready=True).decode()
    refused = [line for line in text.splitlines() if "rejected_total{" in line and not line.endswith(" 0")]
    assert refused in ([], ['ropewalk_server_rejected_total{model="cancer",reason="receive_time"} 1'])
    return bool(refused)


async def asked(client: Client) -> None:
    """A prediction, answered."""
    reader, writer = client
    writer.write(HEAD + b"\r\n" + BODY)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: ([0-9]+)", head)
    assert length is not None
    await reader.readexactly(int(length[1]))
    assert head.startswith(b"HTTP/1.1 200")


async def dripped(client: Client, data: bytes) -> bytes:
    """What comes until the server closes while it gets a byte every few milliseconds."""
    reader, writer = client
    answer = asyncio.ensure_future(reader.read())
    for at in range(len(data)):
        writer.write(data[at : at + 1])
        if answer in (await asyncio.wait({answer}, timeout=0.02))[0]:
            break
    return await asyncio.wait_for(answer, SECONDS)


async def test_a_head_that_drips_is_refused(behind: Predictor) -> None:
    """Each byte makes the time no longer, and the body's and the idle connection's are others."""
    async with connected(behind, header_seconds=0.3, idle_seconds=LONG, deadline_seconds=LONG) as client:
        answer = await dripped(client, ENDLESS)
    assert answer.startswith(b"HTTP/1.1 408"), answer
    assert b'{"error":' in answer
    assert late(behind)


async def test_a_later_head_has_no_more_time_than_the_first(behind: Predictor) -> None:
    """Though the connection might have been idle for longer."""
    async with connected(behind, header_seconds=0.3, idle_seconds=LONG, deadline_seconds=LONG) as client:
        await asked(client)
        assert (await dripped(client, ENDLESS)).startswith(b"HTTP/1.1 408")
    assert late(behind)


async def test_a_client_that_asks_nothing_is_let_go_without_a_word(behind: Predictor) -> None:
    """It has the time of a head for its first byte; that is no refusal."""
    async with connected(behind, header_seconds=0.3, idle_seconds=LONG, deadline_seconds=LONG) as (reader, _):
        assert await asyncio.wait_for(reader.read(), SECONDS) == b""
    assert not late(behind)


@pytest.mark.parametrize("times", [1, 3])
async def test_an_idle_connection_is_closed_and_counted_nowhere(behind: Predictor, times: int) -> None:
    """After its answer, that to a head that is known (the third) too."""
    async with connected(behind, header_seconds=LONG, idle_seconds=0.3, deadline_seconds=LONG) as client:
        for _ in range(times):
            await asked(client)
        assert await asyncio.wait_for(client[0].read(), SECONDS) == b""
    assert not late(behind)
