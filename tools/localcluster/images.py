"""Images without a Docker engine: a base of Debian packages, Dockerfiles built by buildah, loaded by ctr."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from tools.localcluster.containers import ctr
from tools.localcluster.settings import BASE_IMAGE, CACHE, ClusterError

PACKAGES = "usr-is-merged,python3,python3-venv,python3-pip,ca-certificates"
"""`usr-is-merged`, with the hook that makes it true, keeps out usrmerge and the 50 MB of Perl that it needs."""
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def _buildah(*arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"`buildah {arguments[0]}` failed: {done.stderr.strip()[-1500:]}")
    return done.stdout.strip()


def exists(image: str) -> bool:
    """True if buildah has an image of that name."""
    return (
        subprocess.run(["buildah", "inspect", "--type", "image", image], capture_output=True, check=False).returncode
        == 0
    )


def build_base() -> None:
    """The stand-in for Docker Hub's python:3.11-slim: Debian 12 with its Python, kept in the cache as a tar file."""
    if exists(BASE_IMAGE):
        return
    tar = CACHE / f"{BASE_IMAGE.rpartition('/')[2].replace(':', '-')}.tar"
    if not tar.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = tar.with_suffix(".part.tar")
        options = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
        command = [
            "mmdebstrap",
            "--variant=minbase",
            f"--hook-dir={MERGED_USR}",
            f"--include={PACKAGES}",
            *options,
            "bookworm",
            str(partial),
        ]
        print("making the base image (Debian with Python) ...", flush=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"mmdebstrap failed: {done.stderr.strip()[-800:]}")
        partial.rename(tar)
    container = _buildah("from", "scratch")
    try:
        _buildah("add", "--quiet", container, str(tar), "/")
        _buildah("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", "--cmd", "python3", container)
        _buildah("commit", "--quiet", container, BASE_IMAGE)
    finally:
        _buildah("rm", container)


def _machine_options() -> list[str]:
    """Settings of the package registry of this machine, mounted for the build and never copied into the image."""
    options: list[str] = []
    bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if bundle and Path(bundle).is_file():
        options += ["--volume", f"{bundle}:/etc/ssl/certs/ca-certificates.crt:ro"]
    for place in (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf"):
        if place.is_file():
            options += ["--volume", f"{place}:/etc/pip.conf:ro"]
    wheels = os.environ.get("PIP_FIND_LINKS", "")
    if wheels.startswith("/") and Path(wheels).is_dir():
        options += ["--volume", f"{wheels}:{wheels}:ro"]
    return options


def build(dockerfile: str, image: str, context: str) -> None:
    """Build a Dockerfile; unchanged layers come from the cache."""
    print(f"building {image} ...", flush=True)
    fixed = ["--isolation", "chroot", "--network", "host", "--layers", "--build-arg", f"BASE={BASE_IMAGE}"]
    _buildah("bud", *fixed, *_machine_options(), "--file", dockerfile, "--tag", image, context)


def load(image: str) -> None:
    """Give the cluster an image that buildah has."""
    if not exists(image):
        raise ClusterError(f"no image {image} here: build it first with `python -m tools.localcluster build-image`")
    with tempfile.TemporaryDirectory() as temporary:
        archive = f"{temporary}/image.tar"
        _buildah("push", "--quiet", image, f"oci-archive:{archive}:{image}")
        ctr("images", "import", archive)
