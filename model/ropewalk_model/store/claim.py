"""The store in a mounted claim: a directory of a POSIX file system. No link below its root is followed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ropewalk_model import manifest
from ropewalk_model.manifest import Manifest
from ropewalk_model.store import HIDDEN, Damaged

_NOT_FOLLOWED = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO)
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class ClaimStore:
    """`root` is a directory, made at the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, path: str) -> BinaryIO:
        """A file's content. An OSError bears the whole path."""
        *folders, name = _parts(path)
        try:
            with contextlib.ExitStack() as opened:
                where = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
                opened.callback(os.close, where)
                for folder in folders:
                    where = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=where)
                    opened.callback(os.close, where)
                # NB: without O_NONBLOCK a named pipe would hold its reader until the Job's deadline.
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=where)
        except OSError as error:
            if error.errno in _NOT_FOLLOWED:
                raise Damaged(f"{path} leads over a link or is not a regular file") from error
            raise OSError(error.errno, error.strerror, str(self.root / path)) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Damaged(f"{path} is not a regular file")
        return os.fdopen(descriptor, "rb")

    @contextlib.contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """A file to be written, whole or not at all."""
        target = self._writable(path)
        temporary = _temporary(target)
        try:
            with temporary.open("xb") as file:
                yield file
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """A hard link from a whole file; where the file system has none, a file that is opened as a new one."""
        target = self._writable(path)
        temporary = _temporary(target)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, target)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                with target.open("xb") as file:
                    file.write(data)
        except FileExistsError:
            return False
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        return True

    def stage(self, path: str) -> Path:
        """The directory of that path itself: its files are in the claim, and `publish` moves them at no cost."""
        place = self._writable(path)
        if place.is_symlink() or place.is_file():
            place.unlink()
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place

    def publish(self, staged: Path, path: str, *, marker: str) -> bool:
        """By one rename: the marker, and all other files, appear at once."""
        if not (staged / marker).is_file():
            raise FileNotFoundError(errno.ENOENT, "the marker is not staged", str(staged / marker))
        target = self._writable(path)
        _make_last(staged)
        try:
            os.rename(staged, target)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            return False
        for directory in (target.parent, staged.parent):
            _sync(directory)
        return True

    def list(self, prefix: str) -> list[str]:
        """Names of a directory."""
        place = self._place(prefix)
        try:
            if not stat.S_ISDIR(os.lstat(place).st_mode):
                raise Damaged(f"{prefix} is a link or a file")
            return sorted(os.listdir(place))
        except FileNotFoundError:
            return []

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of all files below."""
        place = self._place(prefix)
        found: dict[str, int] = {}
        folders = [""]
        while folders:
            folder = folders.pop()
            with os.scandir(place / folder) as entries:
                for entry in entries:
                    relative = f"{folder}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{relative}/")
                    elif not entry.is_file(follow_symlinks=False):
                        raise Damaged(f"{relative} is a link or a special file")
                    else:
                        found[relative] = entry.stat(follow_symlinks=False).st_size
        return found

    def modified(self, path: str) -> float:
        """By the file system's clock."""
        return os.lstat(self._place(path)).st_mtime

    def verify(self, path: str, manifest_digest: str | None = None) -> Manifest:
        """The version under the path."""
        return manifest.verify(self.local(path), manifest_digest)

    def local(self, path: str) -> Path:
        """The directory itself."""
        return self._place(path)

    def begin_delete(self, path: str) -> str:
        """Rename it to a hidden name beside it."""
        place = self._place(path)
        hidden = place.with_name(f"{HIDDEN}{place.name}")
        try:
            os.rename(place, hidden)
        except OSError as error:
            if error.errno not in (*_TAKEN, errno.EISDIR):
                raise
            hidden = place.with_name(f"{HIDDEN}{place.name}-{uuid.uuid4().hex}")
            os.rename(place, hidden)
        return hidden.relative_to(self.root).as_posix()

    def finish_delete(self, path: str) -> int:
        """Remove it with all that is below; directories that user code made read-only become writable first."""
        place = self._place(path)
        freed = _unlocked(place)
        if stat.S_ISDIR(os.lstat(place).st_mode):
            shutil.rmtree(place)
        else:
            place.unlink()
        return freed

    def _place(self, path: str) -> Path:
        """The path, of which no folder is a link. What stands there itself may be one."""
        place = self.root
        for part in _parts(path):
            if place != self.root and place.is_symlink():
                raise Damaged(f"{path} leads over a link")
            place = place / part
        return place

    def _writable(self, path: str) -> Path:
        place = self._place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def _parts(path: str) -> tuple[str, ...]:
    parts = PurePosixPath(path).parts
    if ".." in parts or path.startswith("/"):
        raise Damaged(f"{path} leads out of the store")
    return parts


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")


def _make_last(directory: Path) -> None:
    """Write all files and folders to the disk. Damaged for a link or a special file among them."""
    folders = [directory]
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif not entry.is_file(follow_symlinks=False):
                    raise Damaged(f"{Path(entry.path).relative_to(directory)} is a link or a special file")
                else:
                    _sync(Path(entry.path), os.O_NOFOLLOW)
    for folder in reversed(folders):
        _sync(folder)


def _sync(path: Path, flags: int = os.O_DIRECTORY) -> None:
    descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlocked(path: Path) -> int:
    """Bytes of all files below; directories that user code made read-only become writable, else they could not go."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        return os.lstat(path).st_size
    found, folders = 0, [path]
    while folders:
        folder = folders.pop()
        if stat.S_IMODE(os.lstat(folder).st_mode) & stat.S_IRWXU != stat.S_IRWXU:
            folder.chmod(stat.S_IRWXU)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    found += entry.stat(follow_symlinks=False).st_size
    return found
