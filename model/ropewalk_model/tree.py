"""The digest of a SavedModel without a manifest, as coreutils compute it in the directory of the model.

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
    """True if sha256sum prints the path unchanged: UTF-8, printable, no backslash."""
    return path.isprintable() and "\\" not in path
