"""What the comparison needs on the machine: virtual environments, wrk, h2load and nginx, fetched at first use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
WRK, H2LOAD = ("wrk", "wrk"), ("h2load", "nghttp2-client")
"""A command and the Debian package that brings it."""


class ToolError(Exception):
    """Something cannot be had here; the message names it and says why."""


def cache() -> Path:
    """The folder that keeps what is fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ropewalk" / "peers"


def python(name: str, requirements: Path) -> Path:
    """The interpreter of the environment `name`, made from a fully pinned file at first use or when that changed.

    Raises ToolError when it cannot be installed.
    """
    home = cache() / name
    made = home / "requirements.txt"
    interpreter = home / "bin" / "python"
    wanted = requirements.read_text()
    if made.exists() and made.read_text() == wanted:
        return interpreter
    print(f"installing {name} into {home}", file=sys.stderr, flush=True)
    shutil.rmtree(home, ignore_errors=True)
    _run(f"{name} cannot be installed", [sys.executable, "-m", "venv", str(home)])
    install = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run(f"{name} cannot be installed", ["nice", "-n", "19", *install, "-r", str(requirements)])
    made.write_text(wanted)
    return interpreter


def command(tool: tuple[str, str]) -> str:
    """The path of a command, its Debian package installed where it is missing. Raises ToolError."""
    name, package = tool
    found = shutil.which(name)
    if found is None:
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            raise ToolError(f"`{name}` is missing: install Debian's package {package}, or your system's own")
        print(f"installing Debian's {package}", file=sys.stderr, flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _run(f"{package} cannot be installed", ["apt-get", "update", "-qq"], quiet)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
        _run(f"{package} cannot be installed", install, quiet)
        found = shutil.which(name)
    if found is None:
        raise ToolError(f"Debian's {package} brought no `{name}`")
    return found


def nginx() -> str:
    """nginx of the machine, or Debian's unpacked into the cache: installing it would start it on port 80."""
    unpacked = cache() / "nginx" / "usr" / "sbin" / "nginx"
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found or unpacked.exists():
        return found or str(unpacked)
    if shutil.which("apt-get") is None:
        raise ToolError("nginx is missing: install it by your system's own means")
    downloads = cache() / "nginx"
    downloads.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        _run("nginx cannot be fetched", ["apt-get", "update", "-qq"])
    _run("nginx cannot be fetched", ["apt-get", "-o", "APT::Sandbox::User=root", "download", "nginx"], cwd=downloads)
    package = next(downloads.glob("nginx_*.deb"))
    _run("nginx cannot be unpacked", ["dpkg-deb", "-x", str(package), str(downloads)])
    return str(unpacked)


def _run(what: str, arguments: list[str], environment: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    done = subprocess.run(arguments, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-400:]
        raise ToolError(f"{what}: `{' '.join(arguments[:4])} ...` failed: {said}")
