"""Kubernetes, etcd and CoreDNS, built once from their Go modules and kept outside the checkout, by version."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.localcluster.settings import BINARIES, KUBERNETES_VERSION, SOURCE, ClusterError

KUBERNETES = (
    "kubectl",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kube-controller-manager",
    "kube-apiserver",
)
OTHERS = {"etcd": "go.etcd.io/etcd/server/v3", "coredns": "github.com/coredns/coredns"}


def _version_flags() -> str:
    """Linker flags without which the API server calls itself v0.0.0 and clients stumble."""
    major, minor = KUBERNETES_VERSION.removeprefix("v").split(".")[:2]
    version = "k8s.io/component-base/version"
    return (
        f"-X {version}.gitVersion={KUBERNETES_VERSION} -X {version}.gitMajor={major} "
        f"-X {version}.gitMinor={minor} -X {version}.gitTreeState=clean"
    )


def _build(name: str, package: str, module: Path, flags: str) -> None:
    """Build one binary into the cache; it appears there whole or not at all."""
    print(f"building {name} (once; kept in the cache) ...", flush=True)
    with tempfile.TemporaryDirectory(dir=BINARIES) as temporary:
        target = Path(temporary) / name
        done = subprocess.run(
            ["go", "build", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(target), package],
            cwd=module,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"building {name} from {module.name}/go.mod failed with exit code {done.returncode}")
        target.rename(BINARIES / name)


def ensure() -> None:
    """Build what the cache lacks. ClusterError if Go is not there or a build fails."""
    wanted = [*KUBERNETES, *OTHERS]
    lacking = [name for name in wanted if not (BINARIES / name).exists()]
    if not lacking:
        return
    if shutil.which("go") is None:
        raise ClusterError("missing: go (1.25 or newer), to build Kubernetes from its modules; see go.dev/doc/install")
    BINARIES.mkdir(parents=True, exist_ok=True)
    for name in lacking:
        if name in OTHERS:
            _build(name, OTHERS[name], SOURCE / "binaries" / name, "")
        else:
            _build(name, f"k8s.io/kubernetes/cmd/{name}", SOURCE / "binaries" / "kubernetes", _version_flags())
