"""The artifact store: the only way in which programs write versions, runs and their documents.

Paths are relative to the store's root, with `/`. The interface fits a mounted claim (`claim.ClaimStore`), memory
(`memory.MemoryStore`, for tests) and an object store: it has no rename, and a directory is there once its marker is.
Nothing outside this package and `ropewalk_trainer.store` calls `os.rename`, `Path.write_bytes` or `shutil` on an
artifact (tests/trainer/test_artifact_store.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from ropewalk_model.manifest import Manifest

HIDDEN = ".deleted-"
"""How the name of a thing begins whose deletion has begun; it counts for nothing any more."""
MOST_BYTES = 16 << 20
"""Of a document that is read whole."""


class Damaged(Exception):
    """A path leads over a link, or to a thing that Ropewalk does not write; the message names it.

    User code of a run can write to a claim: a link, a pipe or an endless file may stand where a document is expected.
    """


class ArtifactStore(Protocol):
    """Files under relative paths. Every method raises OSError where the store itself fails, FileNotFoundError where
    the path is absent, and Damaged where a link is on the way."""

    def open(self, path: str) -> BinaryIO:
        """A file's content, to be read and closed. Damaged for another thing than a regular file."""

    def create(self, path: str) -> AbstractContextManager[BinaryIO]:
        """A file to be written, which stands under the path, whole, once the context ends without an error. It takes
        the place of an earlier one."""

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write the file, whole, unless there is one: of several writers exactly one gets True, and its bytes stay."""

    def stage(self, path: str) -> Path:
        """An empty local directory for the files of one `publish`; the path is this writer's alone. What an earlier
        attempt left there is gone."""

    def publish(self, staged: Path, path: str, *, marker: str) -> bool:
        """Make the staged directory's files stand under the path, the file `marker` last, and make that last.

        A reader that looks for the marker sees all of them or none. False, and nothing is changed, where another
        directory stands under the path already. Damaged where a link is among the files.
        """

    def list(self, prefix: str) -> list[str]:
        """Names of all that stands directly below the prefix, sorted; none if it is absent."""

    def sizes(self, prefix: str) -> Mapping[str, int]:
        """Bytes of all files below the prefix, by path relative to it. Damaged for a link or a special file there."""

    def modified(self, path: str) -> float:
        """When the file or directory was changed last, in seconds since the epoch."""

    def verify(self, path: str, manifest_digest: str | None = None) -> Manifest:
        """The version under the path, all of its files verified. Raises `manifest.TamperedModel`."""

    def local(self, path: str) -> Path:
        """A local directory with the files below the path, for libraries that read files; it is not to be changed."""

    def begin_delete(self, path: str) -> str:
        """Take the file or directory out of sight at once; the path that `finish_delete` takes.

        Its name begins with HIDDEN, so that what a crash leaves is found by `list`.
        """

    def finish_delete(self, path: str) -> int:
        """Delete what `begin_delete` hid, links themselves and not their targets; the bytes that it took."""


def read(store: ArtifactStore, path: str) -> bytes:
    """A file's content. Damaged for one of more than MOST_BYTES."""
    with store.open(path) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Damaged(f"{path} is larger than {MOST_BYTES} bytes")
    return data


def put(store: ArtifactStore, path: str, data: bytes) -> None:
    """Write a file, whole; it takes the place of an earlier one."""
    with store.create(path) as file:
        file.write(data)


def exists(store: ArtifactStore, path: str) -> bool:
    """Whether a regular file stands under the path."""
    try:
        store.open(path).close()
    except (FileNotFoundError, Damaged):
        return False
    return True


def delete(store: ArtifactStore, path: str) -> int:
    """Both phases; the bytes that it took. Nothing if it is absent."""
    try:
        hidden = store.begin_delete(path)
    except FileNotFoundError:
        return 0
    return store.finish_delete(hidden)
