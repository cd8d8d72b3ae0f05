"""TLS connections until the end of their handshake.

asyncio's own TLS servers make a connection known only after that: clients that never come so far would be in no limit.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from ropewalk_server.transport.limits import Limits
from ropewalk_server.transport.listener import Listener

HANDSHAKE_SECONDS = 10.0


class Port(Protocol):
    """The state that the connections of a port share."""

    limits: Limits
    rejected: Callable[[str], None]
    handshakes: set[Handshake]

    @property
    def open(self) -> int:
        """Connections that there are, those in a handshake among them."""


def listen(
    port: Port, host: str | None, number: int, tls: ssl.SSLContext | None, protocol: Callable[[], asyncio.Protocol]
) -> Listener:
    """Accept clients for `protocol`, with `tls` after a handshake that is bounded in time and number."""
    accept = protocol if tls is None else lambda: Handshake(port, tls, protocol)
    return Listener(host, number, accept)


class Handshake(asyncio.Protocol):
    """One client of a port with TLS until its connection is made for `protocol`, as asyncio does it."""

    def __init__(self, port: Port, context: ssl.SSLContext, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._port = port
        self._context = context
        self._protocol = protocol
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "abort")
        if self._port.open >= self._port.limits.max_connections:
            self._port.rejected("connections")
        else:
            # Another descriptor of the socket, of which nothing is read yet: the first transport's is closed.
            accepted = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
            accepted.setblocking(False)
            self._port.handshakes.add(self)
            self._task = asyncio.get_running_loop().create_task(self._shake(accepted))
        transport.abort()  # type: ignore[attr-defined]

    async def _shake(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._protocol, accepted, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError:  # TLS' errors are such, and what clients do who leave
            accepted.close()
        finally:
            self._port.handshakes.discard(self)

    def abort(self) -> None:
        """Close at once."""
        if self._task is not None:
            self._task.cancel()
