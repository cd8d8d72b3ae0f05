"""A small API server over real HTTP: objects by path, resource versions that fence, refusals on demand.

It runs in a thread of its own, since kopf, when it ends, cancels every task of its loop.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from ropewalk.shell.cluster import Cluster
from ropewalk.shell.connection import Connection
from ropewalk.shell.write_fence import WriteFence

Refusal = int | str | None
"""An HTTP status to answer with, "hang up" to end the connection, or None to serve the request."""


class ApiServer:
    """What the tests see of it: `objects` and `asked` by path, and `refuse`, which they may replace."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.refuse: Callable[[str, str], Refusal] = lambda method, path: None
        self.url = ""
        self._version = 0

    def connection(self) -> Connection:
        """As kubeconfig would describe it."""
        return Connection(self.url, None, None, None, "token", verify=True, in_cluster=False)

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Store an object as somebody else's write would."""
        self._version += 1
        body = {**body, "metadata": {**body.get("metadata", {}), "resourceVersion": str(self._version)}}
        self.objects[path] = body
        return body

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        method, path = request.method, request.path
        self.asked.append((method, path))
        refusal = self.refuse(method, path)
        if refusal == "hang up":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if refusal is not None:
            return _status(int(refusal), "refused by the test")
        if method == "GET":
            return self._read(path)
        body = json.loads(await request.read())
        there = self.objects.get(path)
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                return _status(409, "AlreadyExists")
            return web.json_response(self.put(path, body), status=201)
        if there is None:
            return _status(404, "NotFound")
        version = body.get("metadata", {}).get("resourceVersion")
        if version is not None and version != there["metadata"]["resourceVersion"]:
            return _status(409, "Conflict")
        if method == "PATCH":
            body = {**there, **body, "metadata": {**there["metadata"], **body.get("metadata", {})}}
        return web.json_response(self.put(path, body))

    def _read(self, path: str) -> web.Response:
        if path in self.objects:
            return web.json_response(self.objects[path])
        if path.rsplit("/", 1)[-1] in ("pipelines", "modeldeployments"):
            of = path.rsplit("/", 1)[-1]
            return web.json_response({"items": [one for at, one in self.objects.items() if f"/{of}/" in at]})
        return _status(404, "NotFound")


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "reason": message, "message": message}, status=code)


@asynccontextmanager
async def serving() -> AsyncIterator[ApiServer]:
    """An empty API server that listens."""
    server = ApiServer()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(_start(server), loop).result()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start(server: ApiServer) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner


@asynccontextmanager
async def client() -> AsyncIterator[tuple[ApiServer, Cluster]]:
    """An API server, and a Cluster that talks to it and always leads."""
    async with serving() as server, Cluster(server.connection(), WriteFence(lambda: True)) as cluster:
        yield server, cluster
