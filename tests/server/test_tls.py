"""TLS: a connection counts from the moment it is accepted, and is handed over with all that it has sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from ropewalk_server.transport import tls
from ropewalk_server.transport.http1.server import HttpServer
from ropewalk_server.transport.http1.types import Response
from ropewalk_server.transport.limits import Limits
from tests.polling import eventually_async
from tests.server.certificates import certificate
from tests.server.wire import post

Run = Callable[[Coroutine[Any, Any, None]], None]
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tls.crt and tls.key."""
    found = tmp_path_factory.mktemp("tls")
    certificate(found, "localhost")
    return found


class Port:
    """A server with TLS, of two connections, that answers with a body's length."""

    def __init__(self, directory: Path) -> None:
        self.reasons: list[str] = []
        self.server = HttpServer(
            lambda request: Response(200, b"%d" % len(request.body)),
            lambda status, text: Response(status, text.encode()),
            Limits(max_connections=2),
            rejected=self.reasons.append,
        )
        self.mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.mine.load_cert_chain(directory / "tls.crt", directory / "tls.key")
        self.trusting = ssl.create_default_context(cafile=str(directory / "tls.crt"))

    async def ask(self, number: int, sent: bytes) -> bytes:
        """What comes back on a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", number, ssl=self.trusting)
        writer.write(sent)
        try:
            return await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(1)
        finally:
            writer.close()


@LOOPS
def test_a_client_that_shakes_no_hands_counts(run: Run, directory: Path) -> None:
    """The one too many is cut off; those that leave, or speak something else, make room again."""

    async def play() -> None:
        port = Port(directory)
        number = await port.server.start("127.0.0.1", 0, port.mine)
        assert (await port.ask(number, post(b"abc"))).endswith(b"3")
        await eventually_async(lambda: port.server.open == 0)
        silent = [await asyncio.open_connection("127.0.0.1", number) for _ in range(2)]
        await eventually_async(lambda: len(port.server.handshakes) == 2)
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await port.ask(number, post(b"abc"))
        assert port.reasons == ["connections"]
        silent[0][1].close()
        silent[1][1].write(b"GET / HTTP/1.1\r\n\r\n")
        await eventually_async(lambda: port.server.open == 0)
        assert (await port.ask(number, post(b"a" * 7))).endswith(b"7")
        silent[1][1].close()
        await port.server.stop(grace_seconds=1.0)

    run(play())


@LOOPS
def test_a_handshake_that_does_not_end_is_ended(run: Run, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten seconds, here less."""
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 0.1)

    async def play() -> None:
        port = Port(directory)
        number = await port.server.start("127.0.0.1", 0, port.mine)
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        assert await reader.read() == b""
        await eventually_async(lambda: port.server.open == 0)
        writer.close()
        await port.server.stop(grace_seconds=1.0)

    run(play())


@LOOPS
def test_many_at_once_lose_nothing(run: Run, directory: Path) -> None:
    """Requests that come with the last bytes of their handshake."""

    async def play() -> None:
        port = Port(directory)
        port.server.limits = Limits()
        number = await port.server.start("127.0.0.1", 0, port.mine)
        answers = await asyncio.gather(*(port.ask(number, post(b"a" * size)) for size in range(10)))
        assert [answer[-1:] for answer in answers] == [b"%d" % size for size in range(10)]
        await port.server.stop(grace_seconds=1.0)

    run(play())
