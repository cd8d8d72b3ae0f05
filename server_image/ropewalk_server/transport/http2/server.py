"""gRPC on asyncio: one port, its connections, its limits and its drain. Unary calls only."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Collection

from ropewalk_server.transport.http2.connection import Connection
from ropewalk_server.transport.http2.rpc import Handler, Head, Reply
from ropewalk_server.transport.limits import Limits
from ropewalk_server.transport.listener import Listener
from ropewalk_server.transport.tls import Handshake, listen


class GrpcServer:
    """One port: its connections, its limits (replaced when routes change) and its drain.

    `admit` answers a head already that does not let its caller in, before more of a message is waited for; `rejected`
    hears the reason of every call or connection that a limit turned away.
    """

    def __init__(
        self,
        handler: Handler,
        limits: Limits | None = None,
        *,
        keep: Collection[bytes] = (),
        admit: Callable[[Head], Reply | None] = lambda head: None,
        rejected: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.handler = handler
        self.keep = frozenset(keep)
        self.admit = admit
        self.rejected = rejected
        self.limits = limits or Limits()
        self.connections: set[Connection] = set()
        self.handshakes: set[Handshake] = set()
        self.buffered = 0
        self.draining = False
        self._server: Listener | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def open(self) -> int:
        """Connections that there are, those in a TLS handshake among them."""
        return len(self.connections) + len(self.handshakes)

    async def start(self, host: str | None, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen on `host`, None: on every address; returns the port (a free one when `port` is 0)."""
        loop = asyncio.get_running_loop()
        self._server = listen(self, host, port, tls, lambda: Connection(self, loop))
        self._sweeper = loop.create_task(self._sweep())
        return self._server.port

    def leave(self) -> None:
        """Send clients elsewhere while everything is still answered here: gRPC keeps its connections for ever."""
        for connection in list(self.connections):
            connection.leave()

    async def stop(self, *, grace_seconds: float) -> None:
        """Stop listening, let calls in flight end (at most `grace_seconds`), close everything."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        until = time.monotonic() + grace_seconds
        for connection in list(self.connections):
            connection.flush()
        while self.connections and time.monotonic() < until:
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
        for handshake in list(self.handshakes):
            handshake.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def _sweep(self) -> None:
        """Deadlines of all connections on one timer: a timer a call costs more than a small answer."""
        while True:
            await asyncio.sleep(0.25)
            now = time.monotonic()
            for connection in list(self.connections):
                connection.check_deadline(now)
