"""Writing into a staged directory, which no reader looks at before it is published."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO


def create(path: Path) -> BinaryIO:
    """A file to be written, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def write(path: Path, data: bytes) -> None:
    """Write a file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or the next attempt after a crash, sees all of it or nothing."""
    temporary = path.with_name(f".{path.name}.tmp")
    write(temporary, data)
    os.replace(temporary, path)


def remove(path: Path) -> None:
    """Remove a file, if there is one."""
    path.unlink(missing_ok=True)
