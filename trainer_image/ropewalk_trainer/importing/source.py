"""The files of a SavedModel from elsewhere: bounded, no link followed, hashed as they are copied."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ropewalk_contract import reasons
from ropewalk_model import digests, manifest, tree
from ropewalk_model.store import staging
from ropewalk_trainer.errors import TryAgain, UserError

SAVED_MODEL = "saved_model.pb"
MOST_FILES = 10_000
MOST_BYTES = 32 << 30
MOST_GRAPH_BYTES = 512 << 20
"""Of saved_model.pb, which is parsed as a whole. Weights do not stand in it."""
_CHUNK = 1 << 20


def unsupported(message: str) -> UserError:
    """The error for a model that will be refused however often it is tried."""
    return UserError(reasons.UNSUPPORTED_MODEL, message)


@dataclass(frozen=True)
class Source:
    """A SavedModel's directory; `sizes` are bytes by relative path."""

    directory: Path
    uri: str
    sizes: dict[str, int]

    @staticmethod
    def look(directory: Path, uri: str, mount: Path) -> Source:
        """What lies there. UserError for what is no SavedModel or is beyond a bound, TryAgain where nothing is."""
        for place in (directory, *directory.parents):
            if place == mount:
                break
            if place.is_symlink():
                raise unsupported(f"{uri} leads over a link, which is not followed: name the directory itself")
        if not directory.is_dir():
            raise TryAgain(reasons.MODEL_NOT_FOUND, f"{uri} is no directory; is the path right?")
        sizes = _sizes(directory, uri)
        if SAVED_MODEL not in sizes:
            raise unsupported(f"{uri} has no {SAVED_MODEL}: name the directory that has it")
        if any(path.startswith(f"{manifest.EXTRA}/") for path in sizes):
            text = f"{uri} has {manifest.EXTRA}/, which is Ropewalk's own, without the manifest: remove that folder"
            raise unsupported(text)
        if sizes[SAVED_MODEL] > MOST_GRAPH_BYTES:
            raise unsupported(
                f"{uri}: {SAVED_MODEL} has {sizes[SAVED_MODEL]} bytes, at most {MOST_GRAPH_BYTES} are read"
            )
        return Source(directory, uri, sizes)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())

    def copy(self, target: Path) -> str:
        """Copy all files; the digest of what was copied. UserError if a file changes meanwhile."""
        listed = {}
        for path, size in self.sizes.items():
            listed[path] = _copy(self.directory / path, target / path, size)
        return tree.digest(listed)

    def digest(self) -> str:
        """The digest of the files as they are."""
        return tree.digest({path: digests.of_file(self.directory / path) for path in self.sizes})


def _sizes(directory: Path, uri: str) -> dict[str, int]:
    found: dict[str, int] = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(directory / folder) as entries:
            for entry in entries:
                relative = f"{folder}{entry.name}"
                if not tree.printable(relative):
                    raise unsupported(f"{uri}: the name {relative!r} has characters that sha256sum does not print")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{relative}/")
                elif not entry.is_file(follow_symlinks=False):
                    raise unsupported(f"{uri}: {relative} is a link or a special file")
                else:
                    found[relative] = entry.stat(follow_symlinks=False).st_size
        if len(found) + len(folders) > MOST_FILES:
            raise unsupported(f"{uri} has more than {MOST_FILES} files")
    if sum(found.values()) > MOST_BYTES:
        raise unsupported(f"{uri} has {sum(found.values())} bytes, at most {MOST_BYTES} are imported")
    return dict(sorted(found.items()))


def _copy(source: Path, target: Path, size: int) -> str:
    """Copy `size` bytes; their sha256."""
    digest = hashlib.sha256()
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise unsupported(f"{source.name} became a link while it was copied") from error
        raise
    with os.fdopen(descriptor, "rb") as read, staging.create(target) as write:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise unsupported(f"{source.name} is not a regular file")
        left = size
        while left and (chunk := read.read(min(left, _CHUNK))):
            digest.update(chunk)
            write.write(chunk)
            left -= len(chunk)
        if left or read.read(1):
            raise TryAgain(
                reasons.MODEL_CHANGED, f"{source.name} changed while it was copied; is it still being written?"
            )
    return digests.PREFIX + digest.hexdigest()
