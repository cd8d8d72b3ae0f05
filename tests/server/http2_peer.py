"""An HTTP/2 client that sends exactly what a test says, and a server of two methods in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote

import hpack

from ropewalk_server.transport.http2 import frames as h2
from ropewalk_server.transport.http2.rpc import Answer, Head, Reply
from ropewalk_server.transport.http2.server import GrpcServer
from ropewalk_server.transport.limits import Limits

ECHO, SLOW, BUG, LATE_BUG = (f"/test.Service/{name}" for name in ("Echo", "Slow", "Bug", "LateBug"))
SECONDS = 5.0


class Frame(NamedTuple):
    """What came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class Backend:
    """Echoes at once, or when the test lets it; `rejected` are the reasons of what limits turned away."""

    def __init__(self, limits: Limits) -> None:
        self.release = asyncio.Event()
        self.waiting = 0
        self.rejected: list[str] = []
        self.server = GrpcServer(self._handle, limits, rejected=self.rejected.append)

    def _handle(self, head: Head, message: bytes) -> Answer:
        if head.path == ECHO.encode():
            return Reply(message, metadata=((b"mine", b"1"),))
        if head.path == SLOW.encode():
            return asyncio.ensure_future(self._slow(message))
        if head.path == LATE_BUG.encode():
            return asyncio.ensure_future(self._fail())
        raise RuntimeError("a bug of the handler")

    async def _fail(self) -> Reply:
        raise RuntimeError("a bug that shows late")

    async def _slow(self, message: bytes) -> Reply:
        self.waiting += 1
        try:
            await self.release.wait()
        finally:
            self.waiting -= 1
        return Reply(message)


class Peer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._encoder, self._decoder = hpack.Encoder(), hpack.Decoder()
        self.next = 1

    async def send(self, *parts: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    def head(self, path: str = ECHO, stream: int | None = None, *, flags: int = h2.END_HEADERS, **more: str) -> bytes:
        """A HEADERS frame of a call; `more` adds and replaces fields, _ for - and a leading _ for a colon."""
        fields = {":method": "POST", ":scheme": "http", ":path": path, "te": "trailers"}
        fields["content-type"] = "application/grpc"
        for name, value in more.items():
            fields[":" + name[1:] if name[0] == "_" else name.replace("_", "-")] = value
        return self.block(fields.items(), stream, flags=flags)

    def block(self, fields: Iterable[tuple[str, str]], stream: int | None = None, *, flags: int) -> bytes:
        """A HEADERS frame of any fields, on the next stream where none is given."""
        if stream is None:
            stream, self.next = self.next, self.next + 2
        return h2.frame(h2.HEADERS, flags, stream, self._encoder.encode(list(fields)))

    def call(self, message: bytes, path: str = ECHO, **more: str) -> bytes:
        """A whole call on the next stream."""
        stream = self.next
        return self.head(path, **more) + h2.frame(h2.DATA, h2.END_STREAM, stream, framed(message))

    async def frame(self) -> Frame | None:
        """The next frame; None at the connection's end."""
        try:
            async with asyncio.timeout(SECONDS):
                head = await self.reader.readexactly(9)
                high, low, kind, flags, stream = h2.FRAME_HEAD.unpack(head)
                return Frame(kind, flags, stream, await self.reader.readexactly(high << 8 | low))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return None

    async def until(self, kind: int) -> Frame:
        """The next frame of a kind; an assertion fails at the connection's end."""
        while True:
            found = await self.frame()
            assert found is not None, "the connection has ended"
            if found.kind == kind:
                return found

    async def answer(self) -> dict[str, Any]:
        """All of the next answer: `stream`, headers by name (`grpc-message` decoded), `message` or None, and
        `reset` where the stream ends with a fault."""
        found: dict[str, Any] = {"message": None}
        body = b""
        while True:
            one = await self.frame()
            assert one is not None, "the connection has ended"
            if one.kind == h2.HEADERS:
                found |= dict(self._decoder.decode(one.payload))
            elif one.kind == h2.DATA:
                body += one.payload
            elif one.kind == h2.RST_STREAM and any(one.payload):
                found["reset"] = int.from_bytes(one.payload, "big")
            else:
                continue
            found["stream"] = one.stream
            if "reset" in found or one.flags & h2.END_STREAM:
                break
        if body:
            assert h2.MESSAGE_HEAD.unpack_from(body) == (0, len(body) - 5)
            found["message"] = body[5:]
        found["grpc-message"] = unquote(found.get("grpc-message", ""))
        return found

    async def goaway(self) -> tuple[int, int, str]:
        """Last stream, fault and words; then the connection ends."""
        found = await self.until(h2.GOAWAY)
        last, fault = int.from_bytes(found.payload[:4], "big"), int.from_bytes(found.payload[4:8], "big")
        while await self.frame() is not None:
            pass
        return last, fault, found.payload[8:].decode()


def framed(message: bytes) -> bytes:
    """A message as gRPC frames it."""
    return h2.MESSAGE_HEAD.pack(0, len(message)) + message


def data(stream: int, payload: bytes, *, flags: int = 0) -> bytes:
    """A DATA frame."""
    return h2.frame(h2.DATA, flags, stream, payload)


@asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[tuple[Backend, int]]:
    """A backend and its port."""
    backend = Backend(Limits(**limits))
    port = await backend.server.start("127.0.0.1", 0)
    try:
        yield backend, port
    finally:
        backend.release.set()
        await backend.server.stop(grace_seconds=2.0)


@asynccontextmanager
async def connected(port: int, *first: bytes) -> AsyncIterator[Peer]:
    """A peer that has sent the preface and these SETTINGS (none: empty ones)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    peer = Peer(reader, writer)
    try:
        await peer.send(h2.PREFACE, *(first or (h2.settings({}),)))
        yield peer
    finally:
        writer.close()


OK, INVALID, EXPIRED, EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = "0", "3", "4", "8", "12", "13", "14"
