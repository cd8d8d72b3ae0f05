"""`:8080`: /healthz (the loop turns, all tasks run), /readyz (the CRDs are there and understood), /metrics."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ropewalk_contract import wire


async def serve(port: int, ended: Callable[[], str | None], not_ready: Callable[[], str | None]) -> web.AppRunner:
    """Start answering; `ended()` and `not_ready()` give the sentence why not healthy or not ready, or None. The caller
    cleans the runner up."""

    async def healthz(_: web.Request) -> web.Response:
        return _verdict(ended())

    async def readyz(_: web.Request) -> web.Response:
        return _verdict(ended() or not_ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes(
        [web.get(wire.HEALTH_PATH, healthz), web.get(wire.READY_PATH, readyz), web.get(wire.METRICS_PATH, metrics)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner


def _verdict(why_not: str | None) -> web.Response:
    return web.Response(text=f"{why_not or 'ok'}\n", status=503 if why_not else 200)
