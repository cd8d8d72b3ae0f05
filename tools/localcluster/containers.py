"""containerd: its configuration, the pause image, the end of all its containers."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from tools.localcluster import processes
from tools.localcluster.settings import CONTAINERD_SOCKET, PAUSE_IMAGE, STATE

ROOT = STATE / "containerd"
CONFIG = f"""version = 2
root = "{ROOT}/root"
state = "{ROOT}/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
# Without CAP_SYS_RESOURCE a lower oom_score_adj is refused, and runc fails every pod with an EOF.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{STATE}/cni"
"""
PAUSE_SOURCE = r"""
#include <signal.h>
#include <unistd.h>
static void end(int signal) { (void)signal; _exit(0); }
int main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }
"""


def ctr(*arguments: str, check: bool = True) -> str:
    """Run ctr against the cluster's containerd, in the namespace that kubelet uses; returns what it printed."""
    command = ["ctr", "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io", *arguments]
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


def up() -> None:
    """Start containerd and give it the pause image."""
    ROOT.mkdir(parents=True, exist_ok=True)
    (STATE / "containerd.toml").write_text(CONFIG)
    processes.start("containerd", ["containerd", "--config", str(STATE / "containerd.toml")])
    ready = ["ctr", "--address", str(CONTAINERD_SOCKET), "version"]
    processes.wait("containerd", "the container runtime", ready)
    if PAUSE_IMAGE not in ctr("images", "list", "-q"):
        _make_pause_image()


def _make_pause_image() -> None:
    """A static program that sleeps, as an image of less than a megabyte: there is no registry to take one from."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "pause.c").write_text(PAUSE_SOURCE)
        subprocess.run(["gcc", "-Os", "-static", "-o", "pause", "pause.c"], cwd=folder, check=True)
        (folder / "Dockerfile").write_text('FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n')
        build = ["buildah", "bud", "--isolation", "chroot", "--quiet", "-t", PAUSE_IMAGE, "."]
        subprocess.run(build, cwd=folder, check=True, capture_output=True)
        archive = f"oci-archive:{folder}/pause.tar:{PAUSE_IMAGE}"
        subprocess.run(["buildah", "push", "--quiet", PAUSE_IMAGE, archive], check=True, capture_output=True)
        ctr("images", "import", f"{folder}/pause.tar")


def end_all() -> None:
    """Kill and remove every container; the cluster's processes above must be down already."""
    if processes.pid("containerd") is None:
        return
    for identifier in ctr("tasks", "list", "-q", check=False).split():
        ctr("tasks", "delete", "--force", identifier, check=False)
    for identifier in ctr("containers", "list", "-q", check=False).split():
        ctr("containers", "delete", identifier, check=False)


def end_shims() -> None:
    """End containers whose shims outlived containerd (a kill -9): the shims of this cluster's socket, by id."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if not command[0].endswith(b"containerd-shim-runc-v2") or str(CONTAINERD_SOCKET).encode() not in command:
            continue
        shim = int(folder.name)
        for task in (folder / "task").glob("*/children"):
            for child in task.read_text().split():
                _kill(int(child))
        _kill(shim)


def _kill(number: int) -> None:
    try:
        os.kill(number, 9)
    except ProcessLookupError:
        pass


def unmount() -> None:
    """Unmount what containers and pods left under the state folder, the deepest first."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in sorted((m for m in mounts if m.startswith(f"{STATE}/")), reverse=True):
        subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)


def remove_cgroups() -> None:
    """Remove the pods' empty cgroups of every hierarchy."""
    for root in [*Path("/sys/fs/cgroup").glob("*/kubepods"), Path("/sys/fs/cgroup/kubepods")]:
        for folder, _, _ in os.walk(root, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass
