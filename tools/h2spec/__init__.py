"""h2spec, the conformance test of HTTP/2 servers, built once from its Go module and kept outside the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ropewalk"
PACKAGE = "github.com/summerwind/h2spec/cmd/h2spec"
MODULE = Path(__file__).parent
"""go.mod there names the version."""


class NoGo(RuntimeError):
    """Go is not on the PATH and h2spec is not in the cache."""


def ensure() -> Path:
    """The binary, built if the cache lacks it for this go.mod. Raises NoGo, or CalledProcessError of the build."""
    found = re.search(r"summerwind/h2spec v([0-9.]+)", (MODULE / "go.mod").read_text())
    assert found is not None
    target = CACHE / "bin" / f"h2spec-{found[1]}"
    if target.exists():
        return target
    if shutil.which("go") is None:
        raise NoGo("missing: go (1.25 or newer), to build h2spec; see go.dev/doc/install")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        built = Path(temporary) / "h2spec"
        command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(built), PACKAGE]
        subprocess.run(command, cwd=MODULE, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
        built.rename(target)
    return target
