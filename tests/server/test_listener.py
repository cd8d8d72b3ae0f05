"""Clients that connect at once are let in at once, however busy the port is."""

from __future__ import annotations

import asyncio
import os
import resource
import socket

import pytest
import uvloop

from ropewalk_server.transport.listener import AT_ONCE, Listener
from tests.polling import eventually_async


class Guest(asyncio.Protocol):
    """Counts those that are connected, answers and takes its leave."""

    def __init__(self, there: list[int]) -> None:
        self._there = there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._there.append(1)
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        transport.write(b"hello")  # type: ignore[union-attr]
        transport.close()


def test_hundreds_that_connect_at_once_do_not_wait_for_hundreds_of_turns() -> None:
    """In turns of the loop, of which each may take milliseconds."""

    async def connect() -> None:
        there: list[int] = []
        listener = Listener("127.0.0.1", 0, lambda: Guest(there))
        clients = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(300)]
        turns = 0
        while len(there) < 300 and turns < 100:
            await asyncio.sleep(0)
            turns += 1
        assert len(there) == 300
        assert turns <= 300 // AT_ONCE + 5
        loop = asyncio.get_running_loop()
        for one in clients:
            one.setblocking(False)
        assert {await loop.sock_recv(one, 5) for one in clients} == {b"hello"}
        for one in clients:
            one.close()
        port = listener.port
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))

    uvloop.run(connect())


async def test_both_kinds_of_addresses_are_listened_on() -> None:
    """Where the machine has both."""
    there: list[int] = []
    listener = Listener(None, 0, lambda: Guest(there))
    hosts = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
    for host in hosts:
        reader, writer = await asyncio.open_connection(host, listener.port)
        assert await reader.readexactly(5) == b"hello"
        writer.close()
    listener.close()


async def test_without_descriptors_clients_are_let_in_later(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the loop does not spin meanwhile."""
    monkeypatch.setattr("ropewalk_server.transport.listener.AGAIN_SECONDS", 0.2)
    there: list[int] = []
    listener = Listener("127.0.0.1", 0, lambda: Guest(there))
    client = socket.create_connection(("127.0.0.1", listener.port))
    client.setblocking(False)
    free = os.dup(0)
    os.close(free)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    said = ""

    def told() -> int:
        nonlocal said
        said += capsys.readouterr().err
        return said.count("clients cannot be let in")

    try:
        await eventually_async(told)
        for _ in range(100):
            await asyncio.sleep(0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert (there, told()) == ([], 1)
    assert await asyncio.get_running_loop().sock_recv(client, 5) == b"hello"
    client.close()
    listener.close()
