"""The inputs of an image build, read from its Dockerfile, and their hash.

Inputs are the Dockerfile, .dockerignore, every file below the sources of `COPY` (less those that .dockerignore leaves
out) and the build arguments. Two builds of equal hash give equal images, apart from what a registry has changed since.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath


class UnreadableDockerfile(ValueError):
    """The Dockerfile has an instruction whose inputs are not known here; the message quotes it."""


def copied(dockerfile: str) -> list[str]:
    """The sources of all `COPY` instructions, sorted, without those that come from another stage.

    Raises UnreadableDockerfile for ADD, for COPY in JSON form and for bind mounts.
    """
    found: set[str] = set()
    for line in dockerfile.replace("\\\n", " ").splitlines():
        word, *arguments = line.split() or [""]
        options = [one for one in arguments if one.startswith("--")]
        if word.upper() == "ADD" or "type=bind" in line or (word.upper() == "COPY" and "[" in line):
            raise UnreadableDockerfile(f"the inputs of this instruction are not read here: {line.strip()}")
        if word.upper() == "COPY" and not any(one.startswith("--from=") for one in options):
            found.update([one for one in arguments if not one.startswith("--")][:-1])
    return sorted(found)


def ignored(path: PurePosixPath, patterns: list[str]) -> bool:
    """Whether .dockerignore leaves a file out: `**/name` at any depth, every other pattern from the root."""
    for pattern in patterns:
        if pattern.startswith("**/"):
            if any(fnmatch.fnmatchcase(part, pattern[3:]) for part in path.parts):
                return True
        elif path.is_relative_to(pattern):
            return True
    return False


def files(root: Path, sources: list[str], patterns: list[str]) -> Iterator[PurePosixPath]:
    """All files below the sources, sorted, relative to the root. FileNotFoundError for a source that is not there."""
    found: set[PurePosixPath] = set()
    for source in sources:
        place = root / source
        if not place.exists():
            raise FileNotFoundError(f"{source} is copied into an image and is not there")
        below = [Path(folder, name) for folder, _, names in os.walk(place) for name in names]
        found.update(PurePosixPath(one.relative_to(root)) for one in ([place] if place.is_file() else below))
    yield from sorted(one for one in found if not ignored(one, patterns))


def digest(root: Path, sources: list[str], patterns: list[str], more: Mapping[str, str]) -> str:
    """SHA-256 in hex over names, executable bits and contents of the files, and over `more`."""
    total = hashlib.sha256(json.dumps(sorted(more.items())).encode())
    for path in files(root, sources, patterns):
        place = root / path
        content = hashlib.sha256(place.read_bytes()).hexdigest()
        total.update(f"{path}\0{os.access(place, os.X_OK)}\0{content}\n".encode())
    return total.hexdigest()


def patterns_of(root: Path) -> list[str]:
    """The patterns of the root's .dockerignore."""
    lines = (root / ".dockerignore").read_text().splitlines()
    return [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#")]


def image_digest(root: Path, dockerfile: str, arguments: Mapping[str, str]) -> str:
    """The hash of one image's inputs; `arguments` are the build's `--build-arg`s."""
    sources = [dockerfile, ".dockerignore", *copied((root / dockerfile).read_text())]
    return digest(root, sources, patterns_of(root), arguments)
