"""Compile what is in C with the compiler of the package `ziglang`: `python -m ropewalk_server.native.build [TARGET]`.

A compiler that pip installs is there wherever the other packages are, the same one, and needs no headers of Python's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ropewalk_server.native import LIBRARY

FLAGS = ("-std=c11", "-O3", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", "-nostdlib", "-s")


def build(target: Path = LIBRARY) -> None:
    """Write the library. Raises CalledProcessError where it does not compile."""
    partial = target.with_suffix(f".{os.getpid()}")
    sources = sorted(map(str, LIBRARY.parent.glob("*.c")))
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-o", str(partial), *sources]
    subprocess.run(command, check=True)
    partial.rename(target)


if __name__ == "__main__":
    build(*map(Path, sys.argv[1:]))
