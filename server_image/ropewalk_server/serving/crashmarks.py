"""Marks in an emptyDir, which outlives the container but not the pod: a version that killed the process is known."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_PREFIX = "loading-"


class CrashMarks:
    """`loading-<hash of a key>` exists while what the key names loads; found at start, it names the culprit.

    Its first line counts the processes in a row that ended so: a node's power loss or a kill for another reason looks
    the same as a model that kills its server, but does not repeat itself.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._deaths = {path.name: _count(path) for path in directory.glob(_PREFIX + "*")}

    def deaths(self, key: str) -> int:
        """How many earlier processes of this pod in a row died while they loaded it."""
        return self._deaths.get(_name(key), 0)

    def mark(self, key: str) -> None:
        """Before loading; on disk before this returns."""
        path = self._directory / _name(key)
        with path.open("wb") as file:
            file.write(f"{self.deaths(key) + 1}\n{key}".encode())
            file.flush()
            os.fsync(file.fileno())

    def clear(self, key: str) -> None:
        """After loading, whatever came of it, and at an orderly stop."""
        (self._directory / _name(key)).unlink(missing_ok=True)


def _count(path: Path) -> int:
    """The deaths that a mark stands for: at least its own, if it was cut short."""
    try:
        return max(1, int(path.read_text(errors="replace").partition("\n")[0]))
    except (OSError, ValueError):
        return 1


def _name(key: str) -> str:
    return _PREFIX + hashlib.sha256(key.encode()).hexdigest()[:32]
