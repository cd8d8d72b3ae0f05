"""Memory of one server process over many switches of its version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.server.conftest import Server, row
from tests.server.observed import resident

Published = tuple[Path, list[dict[str, Any]]]
SWITCHES, SETTLED = 30, 5
SLACK = 8 << 20


def held(server: Server) -> tuple[int | None, set[tuple[int, str]]]:
    """The live version, and all with their states."""
    status = server.status()
    return status.get("live"), {(one["version"], one["state"]) for one in status["versions"]}


def proved(listed: list[dict[str, Any]]) -> set[tuple[int, str]]:
    """Each of them ready to answer."""
    return {(one["version"], "Proved") for one in listed}


def test_switches_leave_nothing_behind(server: Server, published: Published) -> None:
    """Each loads the newcomer beside the version that answers, asks both and lets the former go."""
    one, two = published[1]
    server.tell(one["version"], [one])
    server.start()
    server.until(lambda: server.status().get("live") == one["version"])
    sizes = []
    for _ in range(SWITCHES):
        for live, listed in ((one, [one, two]), (two, [one, two]), (two, [two])):
            server.tell(live["version"], listed)
            server.until(lambda live=live, listed=listed: held(server) == (live["version"], proved(listed)))
            assert server.predict(*[row()] * 100)[0] == 200
        sizes.append(resident(server))
        one, two = two, one
    assert sizes[-1] < max(sizes[SETTLED - 1] * 1.1, sizes[SETTLED - 1] + SLACK), [size >> 10 for size in sizes]
    assert server.stop() == 0
