"""Pods are asked side by side, each over one connection, and one that cannot be reached costs one wait."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from ropewalk.core.plan import Scraped, ScrapeRequest
from ropewalk.shell.scrape import DirectReader, scrape

PATHS = ("/status", "/windows?since=0", "/baseline")


def requests(*pods: str, ip: str = "127.0.0.1", port: int = 8502) -> list[ScrapeRequest]:
    """All paths of these pods."""
    return [ScrapeRequest(pod, ip, port, path) for pod in pods for path in PATHS]


class Pods:
    """A reader whose pods answer with their names, but for those that are out of reach."""

    def __init__(self, *unreachable: str) -> None:
        self.unreachable = unreachable
        self.asked: list[tuple[str, str]] = []

    async def read(self, namespace: str, request: ScrapeRequest) -> dict[str, Any]:
        """An answer, or an error of the network."""
        self.asked.append((request.pod, request.path))
        await asyncio.sleep(0)
        if request.pod in self.unreachable:
            raise ConnectionRefusedError("no one listens")
        if request.path == "/baseline":
            raise ValueError("HTTP 404")
        return {"pod": request.pod}


async def test_a_pod_that_cannot_be_reached_is_asked_once() -> None:
    """All its answers are missing for that reason; an answer that is an error counts for its own path only."""
    pods = Pods("gone")
    found = await scrape(pods, "shop", requests("gone", "there"))
    assert [path for pod, path in pods.asked if pod == "gone"] == ["/status"]
    assert {found["gone", path].error for path in PATHS} == {"ConnectionRefusedError: no one listens"}
    assert found["there", "/windows?since=0"] == Scraped({"pod": "there"}, None)
    assert found["there", "/baseline"] == Scraped(None, "ValueError: HTTP 404")


async def test_the_answers_of_a_pod_come_over_one_connection() -> None:
    """A connection costs as much as an answer."""
    ports: set[int] = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return web.json_response({"path": request.path})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with DirectReader() as reader:
            found = await scrape(reader, "shop", requests("one", port=runner.addresses[0][1]))
    finally:
        await runner.cleanup()
    assert [answer.body for answer in found.values()] == [{"path": path.partition("?")[0]} for path in PATHS]
    assert len(ports) == 1
