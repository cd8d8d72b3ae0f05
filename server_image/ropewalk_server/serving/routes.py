"""The routes file: which versions to hold and which one is live. Input from the cluster, parsed defensively."""

from __future__ import annotations

import json
from pathlib import Path

from ropewalk_contract import wire
from ropewalk_contract.documents.routes import Route, Routes

__all__ = ["InvalidRoutes", "Route", "Routes", "RoutesFile", "parse"]
MAX_BYTES = wire.MAX_CONFIG_MAP_BYTES


class InvalidRoutes(ValueError):
    """A routes file that cannot be followed; the last good one stays in force."""


def parse(text: str | bytes) -> Routes:
    """Raises InvalidRoutes."""
    try:
        return Routes.read(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise InvalidRoutes(f"routes are malformed: {error}") from error


class RoutesFile:
    """Polls the file that kubelet projects (it swaps a symlink: a watch on the file itself sees nothing)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self.current: Routes | None = None
        self.error = ""

    def poll(self) -> Routes | None:
        """New routes, if the file changed and its revision is higher than any seen before; else None.

        A lower revision comes from an operator that slept and lost its lease: it is ignored. So is the same revision
        with other content: a revision is written once.
        """
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen == self._seen:
                return None
            with self._path.open("rb") as file:
                text = file.read(MAX_BYTES + 1)
        except OSError as error:
            self.error = f"routes cannot be read: {error.strerror}"
            return None
        self._seen = seen
        try:
            if len(text) > MAX_BYTES:
                raise InvalidRoutes(f"routes are larger than {MAX_BYTES} bytes")
            routes = parse(text)
        except InvalidRoutes as error:
            self.error = str(error)
            return None
        self.error = ""
        if self.current is not None and routes.revision <= self.current.revision:
            return None
        self.current = routes
        return routes
