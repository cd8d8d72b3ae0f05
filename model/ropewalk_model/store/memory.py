"""The store in memory, for tests: an object store's ways, without its network. Directories are prefixes alone."""

from __future__ import annotations

import contextlib
import errno
import io
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ropewalk_model import manifest
from ropewalk_model.manifest import Manifest
from ropewalk_model.store import HIDDEN, Damaged, staging


class MemoryStore:
    """`scratch` is a local directory for staged files and copies.

    `before_write` is called with the path before each write; it may raise, as if the process ended there.
    """

    def __init__(self, scratch: Path, before_write: Callable[[str], None] = lambda path: None) -> None:
        self.files: dict[str, bytes] = {}
        self._times: dict[str, float] = {}
        self._before_write = before_write
        self._lock = threading.Lock()
        self._scratch = scratch

    def open(self, path: str) -> BinaryIO:
        """A file's content."""
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "No such object", path)
        return io.BytesIO(self.files[path])

    @contextlib.contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """A file to be written."""
        file = io.BytesIO()
        yield file
        self._write(path, file.getvalue())

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """A conditional write."""
        with self._lock:
            if path in self.files:
                return False
            self._write(path, data)
            return True

    def stage(self, path: str) -> Path:
        """A directory on the local disk."""
        return Path(tempfile.mkdtemp(dir=self._scratch))

    def publish(self, staged: Path, path: str, *, marker: str) -> bool:
        """All files, then the marker by a conditional write."""
        found = [one for one in staged.rglob("*") if one.is_symlink() or not one.is_dir()]
        for one in found:
            if one.is_symlink() or not one.is_file():
                raise Damaged(f"{one.relative_to(staged)} is a link or a special file")
        files = {one.relative_to(staged).as_posix(): one.read_bytes() for one in found}
        if marker not in files:
            raise FileNotFoundError(errno.ENOENT, "the marker is not staged", marker)
        if f"{path}/{marker}" in self.files:
            return False
        for name in sorted(files):
            if name != marker:
                self._write(f"{path}/{name}", files[name])
        return self.put_if_absent(f"{path}/{marker}", files[marker])

    def list(self, prefix: str) -> list[str]:
        """The next part of each path below."""
        below = f"{prefix}/" if prefix else ""
        return sorted({one[len(below) :].split("/")[0] for one in self.files if one.startswith(below)})

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of all files below."""
        return {one[len(prefix) + 1 :]: len(data) for one, data in self.files.items() if one.startswith(f"{prefix}/")}

    def modified(self, path: str) -> float:
        """The latest write below."""
        times = [at for one, at in self._times.items() if one == path or one.startswith(f"{path}/")]
        if not times:
            raise FileNotFoundError(errno.ENOENT, "No such object", path)
        return max(times)

    def verify(self, path: str, manifest_digest: str | None = None) -> Manifest:
        """The version under the path, from a local copy."""
        return manifest.verify(self.local(path), manifest_digest)

    def local(self, path: str) -> Path:
        """A copy on the local disk."""
        place = Path(tempfile.mkdtemp(dir=self._scratch))
        for name in self.sizes(path):
            staging.write(place / name, self.files[f"{path}/{name}"])
        return place

    def begin_delete(self, path: str) -> str:
        """Move it to a hidden name: an object store would delete the marker."""
        folder, _, name = path.rpartition("/")
        hidden = f"{folder}/{HIDDEN}{name}".removeprefix("/")
        moved = [one for one in self.files if one == path or one.startswith(f"{path}/")]
        if not moved:
            raise FileNotFoundError(errno.ENOENT, "No such object", path)
        self._before_write(path)
        for one in moved:
            self.files[hidden + one[len(path) :]] = self.files.pop(one)
        return hidden

    def finish_delete(self, path: str) -> int:
        """Forget it."""
        gone = [one for one in self.files if one == path or one.startswith(f"{path}/")]
        return sum(len(self.files.pop(one)) for one in gone)

    def _write(self, path: str, data: bytes) -> None:
        self._before_write(path)
        self.files[path] = data
        self._times[path] = time.time()
