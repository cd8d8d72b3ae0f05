"""Marks in an emptyDir, which outlives the container but not the pod: a version that killed the process is known."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_PREFIX = "loading-"


class CrashMarks:
    """`loading-<digest>` exists while that digest loads; found at start, it names the culprit."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.crashed = frozenset(path.name for path in directory.glob(_PREFIX + "*"))

    def has_crashed(self, digest: str) -> bool:
        """Whether an earlier process of this pod died while it loaded this digest."""
        return _name(digest) in self.crashed

    def mark(self, digest: str) -> None:
        """Before loading; on disk before this returns."""
        path = self._directory / _name(digest)
        with path.open("wb") as file:
            file.write(digest.encode())
            file.flush()
            os.fsync(file.fileno())

    def clear(self, digest: str) -> None:
        """After loading, whatever came of it, and at an orderly stop."""
        (self._directory / _name(digest)).unlink(missing_ok=True)


def _name(digest: str) -> str:
    return _PREFIX + hashlib.sha256(digest.encode()).hexdigest()[:32]
