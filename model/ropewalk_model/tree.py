"""The digest of a SavedModel that has no manifest: what anybody can compute with coreutils, in the model's directory.

find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
"""

from __future__ import annotations

from collections.abc import Mapping

from ropewalk_model import digests, manifest


def digest(listed: Mapping[str, str]) -> str:
    """Of the files' sha256 by path, relative to the model. What Ropewalk itself adds to a model does not count."""
    lines = [
        f"{sha256.removeprefix(digests.PREFIX)}  {path}\n"
        for path, sha256 in sorted(listed.items(), key=lambda item: item[0].encode())
        if not path.startswith(f"{manifest.EXTRA}/")
    ]
    return digests.of_bytes("".join(lines).encode())


def printable(path: str) -> bool:
    """Whether sha256sum prints the path as it is: no backslash, nothing that is not shown, UTF-8."""
    return path.isprintable() and "\\" not in path
