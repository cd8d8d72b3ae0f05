"""Readings of a server process: its live version, the state of a version, its memory."""

from __future__ import annotations

import re
from pathlib import Path

from tests.server.conftest import Server


def live(server: Server, version: int) -> bool:
    """Whether that version answers."""
    return server.status().get("live") == version


def state(server: Server, version: int) -> tuple[str, str]:
    """State and reason of a version in this pod."""
    found = [one for one in server.status().get("versions", []) if one["version"] == version]
    return (found[0]["state"], found[0]["reason"]) if found else ("", "")


def resident(server: Server) -> int:
    """The process's memory in bytes."""
    text = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) * 1024
