"""The routes file: which versions to hold and which one is live. Input from the cluster, parsed defensively."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ropewalk_server.serving.batch_policy import BatchPolicy
from ropewalk_server.transport.limits import Limits

MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Route:
    """One version to hold."""

    version: int
    path: str
    manifest_digest: str | None
    digest: str


@dataclass(frozen=True)
class Routes:
    """A routes document. `pilot` is the only pod that loads newcomers, if it is given."""

    revision: int
    live: int | None = None
    pilot: str | None = None
    versions: tuple[Route, ...] = ()
    bucket_seconds: int = 60
    engine: str = "Auto"
    limits: Limits = field(default_factory=Limits)
    batching: BatchPolicy = field(default_factory=BatchPolicy)
    retry: int = 0
    """A version that failed under another value is tried again."""


class InvalidRoutes(ValueError):
    """A routes file that cannot be followed; the last good one stays in force."""


def parse(text: str | bytes) -> Routes:
    """Raises InvalidRoutes."""
    try:
        document: dict[str, Any] = json.loads(text)
        if document["formatVersion"] != 1:
            raise InvalidRoutes(f"routes have formatVersion {document['formatVersion']!r}, not 1")
        live = document.get("live")
        versions = tuple(
            Route(int(one["version"]), str(one["path"]), one.get("manifestDigest") or None, str(one["digest"]))
            for one in document.get("versions") or ()
        )
        routes = Routes(
            revision=int(document["revision"]),
            live=None if live is None else int(live),
            pilot=document.get("pilot") or None,
            versions=versions,
            bucket_seconds=int(document.get("bucketSeconds", 60)),
            engine=str(document.get("engine", "Auto")),
            limits=Limits.from_document(document.get("limits") or {}),
            batching=BatchPolicy.from_document(document.get("batching") or {}),
            retry=int(document.get("retry") or 0),
        )
    except InvalidRoutes:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRoutes(f"routes are malformed: {error!r}") from error
    if routes.bucket_seconds < 1:
        raise InvalidRoutes("bucketSeconds must be at least 1")
    return routes


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
