"""What kubelet and Prometheus are told on the operator's port."""

from __future__ import annotations

import aiohttp
import pytest

from ropewalk.shell.health import serve


async def told(ended: str | None, missing: str | None) -> dict[str, tuple[int, str]]:
    """Status and text of every path."""
    runner = await serve(0, lambda: ended, lambda: missing)
    try:
        port = next(address[1] for address in runner.addresses if len(address) == 2)  # of IPv4
        found = {}
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            for path in ("/healthz", "/readyz", "/metrics"):
                async with session.get(path) as response:
                    found[path] = (response.status, await response.text())
        return found
    finally:
        await runner.cleanup()


async def test_all_is_well() -> None:
    """Both say ok, and the operator's series are there."""
    found = await told(None, None)
    assert (found["/healthz"], found["/readyz"]) == ((200, "ok\n"), (200, "ok\n"))
    assert found["/metrics"][0] == 200
    assert "ropewalk_queue_depth" in found["/metrics"][1]


async def test_waiting_is_unready_and_alive() -> None:
    """kubelet must not restart what waits for its definitions."""
    found = await told(None, "the CustomResourceDefinition is missing")
    assert found["/healthz"] == (200, "ok\n")
    assert found["/readyz"] == (503, "the CustomResourceDefinition is missing\n")


@pytest.mark.parametrize("missing", [None, "starting"])
async def test_a_task_that_ended_is_neither_alive_nor_ready(missing: str | None) -> None:
    """kubelet ends a process that cannot end itself."""
    found = await told("its task 'lease' failed", missing)
    assert found["/healthz"] == found["/readyz"] == (503, "its task 'lease' failed\n")
