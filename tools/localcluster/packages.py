"""Debian packages of the cluster: missing ones are installed where that is possible, and named where it is not."""

from __future__ import annotations

import os
import shutil
import subprocess

from tools.localcluster.settings import ClusterError

# A command that each package brings, to see whether it is there without asking dpkg.
COMMANDS = {
    "containerd": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "conntrack": "conntrack",
    "nft": "nftables",
    "ip": "iproute2",
    "openssl": "openssl",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "gcc": "gcc",
    "wrk": "wrk",
}


def missing() -> list[str]:
    """The Debian packages whose commands are not on this machine."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return sorted(package for command, package in COMMANDS.items() if shutil.which(command, path=path) is None)


def ensure() -> None:
    """Install what is missing. ClusterError names the packages and the command where it cannot be done from here."""
    if os.geteuid() != 0:
        raise ClusterError(
            "the embedded cluster needs root (namespaces, mounts, routes): run it as root, or use CLUSTER=kind"
        )
    lacking = missing()
    if not lacking:
        return
    if shutil.which("apt-get") is None:
        raise ClusterError(
            f"missing: {', '.join(lacking)}; this is no Debian, so install them by your system's own means"
        )
    print(f"installing Debian packages: {' '.join(lacking)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacking],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(
                f"missing: {', '.join(lacking)}; `{' '.join(command)}` failed: {done.stderr.strip()[-400:]}"
            )
