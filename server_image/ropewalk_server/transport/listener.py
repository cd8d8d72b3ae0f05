"""A port's listening socket: each time the loop looks, all clients that wait are let in.

The servers of uvloop let in one client a turn. When hundreds connect at once to a port that is busy (others restart, an
upgrade moves them), the last of them would wait for hundreds of turns.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from ropewalk_server.log import log, place

WAITING = 1024
"""Clients that the kernel holds until they are let in."""
AT_ONCE = 64
"""Of them are let in before others get their answers."""
AGAIN_SECONDS = 1.0


class Listener:
    """Accepts clients for `protocol` until it is closed."""

    def __init__(self, host: str | None, number: int, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Listen on `host`, None: on every address. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._socket = _bound(host, number)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
        self._tasks: set[asyncio.Task[None]] = set()
        self._later: asyncio.TimerHandle | None = None
        self._open()

    @property
    def port(self) -> int:
        """Its number."""
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Let nobody in any more; it may be said twice."""
        if self._socket.fileno() < 0:
            return
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _open(self) -> None:
        self._later = None
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                client, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:  # it left while it waited
                continue
            except OSError as error:  # no descriptors, no memory: those that are connected go on
                log("error", "clients cannot be let in", error=place(error), again_seconds=AGAIN_SECONDS)
                self._loop.remove_reader(self._socket)
                self._later = self._loop.call_later(AGAIN_SECONDS, self._open)
                return
            client.setblocking(False)
            task = self._loop.create_task(self._connect(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, client: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, client)
        except OSError:
            client.close()


def _bound(host: str | None, number: int) -> socket.socket:
    if host is None and socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", number), family=socket.AF_INET6, backlog=WAITING, dualstack_ipv6=True)
        except OSError as error:  # a kernel that has IPv6 and a pod that has not
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
    return socket.create_server((host or "", number), backlog=WAITING)
