"""manifest.json: sha256 of every file of a version, its sources, its engines.

A file of a version is used only after its bytes were compared with the manifest, and the manifest only after its bytes
were compared with the digest in status.
"""

from __future__ import annotations

import hashlib
import json
import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ropewalk_model import FORMAT_VERSION, digests

EXTRA = "assets.extra/ropewalk"
MANIFEST = f"{EXTRA}/manifest.json"
FEATURES = f"{EXTRA}/features.json"
SIGNATURE = f"{EXTRA}/signature.json"
BASELINE = f"{EXTRA}/baseline.json"
EVALUATION = f"{EXTRA}/evaluation.json"
EXAMPLES = f"{EXTRA}/examples.json"
COMPILED = f"{EXTRA}/compiled"
MAX_BYTES = 16 * 1024 * 1024
"""Of manifest.json itself, which is read before anything is known of it: some 100,000 files."""
_CHUNK = 1 << 20


class TamperedModel(Exception):
    """A file of a version is missing, added or not what the manifest says; the message names it."""


@dataclass(frozen=True)
class Engine:
    """A compiled form: `file` is relative to the version; latency in microseconds by number of rows.

    `outputs`: the names of the core's outputs to those of the file, as publish proved them; empty in a version that was
    published before they were written, whose core has one output.
    """

    name: str
    file: str
    latency_micros: Mapping[str, int]
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """A verified manifest of the version in `directory`; `digest` is that of manifest.json itself."""

    directory: Path
    digest: str
    document: Mapping[str, Any]

    @property
    def model_digest(self) -> str:
        """Digest of weights and encoding: the same for the same model, however it was published."""
        return str(self.document["modelDigest"])

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Compiled forms, the preferred one first."""
        return tuple(
            Engine(one["name"], one["file"], dict(one.get("latencyMicros", {})), dict(one.get("outputs", {})))
            for one in self.document["engines"]
        )

    @property
    def loaded_bytes(self) -> int:
        """Memory that the version takes when loaded, as measured at publishing."""
        return int(self.document["loadedBytes"])

    @property
    def paths(self) -> tuple[str, ...]:
        """The listed files, relative to the version."""
        return tuple(one["path"] for one in self.document["files"])

    def read(self, path: str) -> bytes:
        """The bytes of a listed file, checked as they are read. TamperedModel if they are not the listed ones, OSError
        if they cannot be read."""
        entry = next((one for one in self.document["files"] if one["path"] == path), None)
        if entry is None:
            raise TamperedModel(f"{path} is not listed in manifest.json")
        data = b"".join(_chunks(self.directory, path, entry["size"]))
        if digests.of_bytes(data) != entry["sha256"]:
            raise TamperedModel(f"{path} has another sha256 than manifest.json says")
        return data

    def read_json(self, path: str) -> Any:
        """`read` and parse."""
        return json.loads(self.read(path))


def model_digest(listed: Mapping[str, str]) -> str:
    """Digest over weights and encoding only: variables/, features.json and signature.json. `listed`: sha256 by path."""
    chosen = [path for path in sorted(listed) if path.startswith("variables/") or path in (FEATURES, SIGNATURE)]
    return digests.of_document([[path, listed[path]] for path in chosen])


def build_manifest(
    directory: Path,
    *,
    made_from: Mapping[str, Any],
    engines: Sequence[Mapping[str, Any]],
    loaded_bytes: int = 0,
    runtime: str = "TensorFlow",
) -> dict[str, Any]:
    """The manifest of every file that now lies in `directory` (manifest.json itself excepted)."""
    files: list[dict[str, Any]] = [
        {
            "path": path,
            "size": (directory / path).stat().st_size,
            "sha256": digests.of_file(directory / path),
        }
        for path in _files(directory)
    ]
    return {
        "formatVersion": FORMAT_VERSION,
        "runtime": runtime,
        "modelDigest": model_digest({one["path"]: one["sha256"] for one in files}),
        "files": files,
        "engines": [dict(engine) for engine in engines],
        "loadedBytes": loaded_bytes,
        "madeFrom": dict(made_from),
    }


def write_manifest(directory: Path, manifest: Mapping[str, Any]) -> str:
    """Write manifest.json, the last file of a version; returns its digest."""
    data = digests.canonical_json(manifest)
    path = directory / MANIFEST
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return digests.of_bytes(data)


def read_manifest(directory: Path, manifest_digest: str | None) -> Manifest:
    """The manifest alone, checked against `manifest_digest` if given. TamperedModel if it is not that one, OSError if
    it cannot be read."""
    with (directory / MANIFEST).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise TamperedModel(f"{MANIFEST} has more than {MAX_BYTES} bytes")
    digest = digests.of_bytes(data)
    if manifest_digest is not None and digest != manifest_digest:
        raise TamperedModel(f"{MANIFEST} has digest {digest}, expected {manifest_digest}")
    try:
        document = json.loads(data)
        if document["formatVersion"] != FORMAT_VERSION:
            raise TamperedModel(f"{MANIFEST} has formatVersion {document['formatVersion']!r}, not 1")
        listed = [(one["path"], one["sha256"], operator.index(one["size"])) for one in document["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise TamperedModel(f"{MANIFEST} is malformed") from error
    for path_text, _, _ in listed:
        parts = Path(path_text).parts
        if Path(path_text).is_absolute() or ".." in parts:
            raise TamperedModel(f"{MANIFEST} lists {path_text!r}, which lies outside the version")
    return Manifest(directory=directory, digest=digest, document=document)


def verify(directory: Path | str, manifest_digest: str | None = None) -> Manifest:
    """Check every file of the version: all listed ones present and unchanged, none unlisted, the model's digest theirs.

    Without `manifest_digest` this shows that the directory agrees with itself, not that it is the version meant.
    """
    directory = Path(directory)
    manifest = read_manifest(directory, manifest_digest)
    listed = {one["path"]: one["sha256"] for one in manifest.document["files"]}
    sizes = {one["path"]: one["size"] for one in manifest.document["files"]}
    present = set(_files(directory))
    for path in sorted(present - set(listed)):
        raise TamperedModel(f"{path} is not listed in manifest.json")
    for path in sorted(set(listed) - present):
        raise TamperedModel(f"{path} is missing")
    for path, sha256 in sorted(listed.items()):
        digest = hashlib.sha256()
        for chunk in _chunks(directory, path, sizes[path]):
            digest.update(chunk)
        if digests.PREFIX + digest.hexdigest() != sha256:
            raise TamperedModel(f"{path} has another sha256 than manifest.json says")
    if model_digest(listed) != manifest.document.get("modelDigest"):
        raise TamperedModel(f"{MANIFEST} states a modelDigest that its own files do not have")
    return manifest


def _chunks(directory: Path, path: str, size: int) -> Iterator[bytes]:
    """The bytes of a file, never more than its `size`: a file that was swapped for a huge one must cost nothing."""
    with (directory / path).open("rb") as file:
        left = size if os.fstat(file.fileno()).st_size == size else -1
        while left > 0 and (chunk := file.read(min(left, _CHUNK))):
            left -= len(chunk)
            yield chunk
        if left or file.read(1):
            raise TamperedModel(f"{path} has not the {size} bytes that manifest.json says")


def _files(directory: Path) -> Iterator[str]:
    """Relative paths of all files but manifest.json, sorted. A symbolic link counts as a file that lies."""
    found = []
    for path in directory.rglob("*"):
        relative = path.relative_to(directory).as_posix()
        if path.is_symlink():
            raise TamperedModel(f"{relative} is a symbolic link")
        if path.is_file() and relative != MANIFEST:
            found.append(relative)
    yield from sorted(found)
