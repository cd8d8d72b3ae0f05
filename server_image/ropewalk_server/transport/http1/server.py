"""HTTP/1.1 on asyncio and httptools: one port, its connections, its limits and its drain."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Mapping

from ropewalk_server.transport.http1.connection import Connection
from ropewalk_server.transport.http1.header_cache import Heads
from ropewalk_server.transport.http1.loop_turn import LoopTurn, Together
from ropewalk_server.transport.http1.message import READ_SIZES
from ropewalk_server.transport.http1.types import ErrorForm, Handler, Response
from ropewalk_server.transport.limits import Limits
from ropewalk_server.transport.listener import Listener
from ropewalk_server.transport.tls import Handshake, listen


class HttpServer:
    """One port: its connections, its limits (replaced when routes change) and its drain."""

    def __init__(
        self,
        handler: Handler,
        error: ErrorForm,
        limits: Limits | None = None,
        *,
        together: Together | None = None,
        keep: Iterable[bytes] = (),
        admit: Callable[[Mapping[bytes, bytes]], Response | None] = lambda headers: None,
        rejected: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """`together` handles the requests of one turn; `keep` names the request headers, in lower case, that the
        handler wants to see; `admit` answers those already that do not let a client in, before a large body is read;
        `rejected` hears the reason of every request that a limit turned away."""
        self.handler = handler
        self.turn = LoopTurn(together, error) if together is not None else None
        self.error = error
        self.admit = admit
        self.rejected = rejected
        self.kept = frozenset(keep)
        self.read_sizes = READ_SIZES | {len(name) for name in self.kept}
        self.limits = limits or Limits()
        self.connections: set[Connection] = set()
        self.handshakes: set[Handshake] = set()
        self.heads = Heads()
        self.buffered = 0
        self.now = time.monotonic()
        """As of the last look at the deadlines: a few tenths of a second old at most."""
        self.draining = False
        self._server: Listener | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def open(self) -> int:
        """Connections that there are, those in a TLS handshake among them."""
        return len(self.connections) + len(self.handshakes)

    async def start(self, host: str | None, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen on `host`, None: on every address; returns the port (a free one when `port` is 0)."""
        self._server = listen(self, host, port, tls, lambda: Connection(self))
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        return self._server.port

    def leave(self) -> None:
        """Send clients elsewhere while everything is still answered here: each answer is its connection's last. Those
        that ask nothing stay, since closing them could cross their next request."""
        self.draining = True

    async def stop(self, *, grace_seconds: float) -> None:
        """Stop listening, let requests in flight end (at most `grace_seconds`), close everything."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        until = time.monotonic() + grace_seconds
        for connection in list(self.connections):
            connection.close_when_idle()
        while self.connections and time.monotonic() < until:
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
        for handshake in list(self.handshakes):
            handshake.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def _sweep(self) -> None:
        """Deadlines of all connections on one timer: a timer a request costs more than a small answer."""
        while True:
            await asyncio.sleep(0.25)
            self.now = time.monotonic()
            for connection in list(self.connections):
                connection.check_deadline(self.now)
