"""The memory that the container may still take, from cgroup v2 or v1."""

from __future__ import annotations

import re
from pathlib import Path

_UNLIMITED = 1 << 60
RESERVE = 16 * 1024 * 1024
"""Kept free for requests in flight."""


def headroom(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes below the limit, file cache counted as free; None if there is no limit."""
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            text = (root / limit).read_text().strip()
            if text == "max" or int(text) >= _UNLIMITED:
                return None
            current = int((root / used).read_text())
            stat = (root / used).with_name("memory.stat").read_text()
        except (OSError, ValueError):
            continue
        found = re.search(rf"^{cache} (\d+)$", stat, re.MULTILINE)
        return int(text) - current + (int(found[1]) if found else 0)
    return None


def fits(loaded_bytes: int, available: int | None) -> bool:
    """Whether a version of this size may be loaded."""
    return available is None or loaded_bytes + RESERVE <= available
