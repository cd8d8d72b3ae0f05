"""A default storage class: folders as PersistentVolumes, emptied and offered again after their release."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from typing import Any

from tools.localcluster.settings import BINARIES, KUBECONFIG, STATE, VOLUMES

ROOT = STATE / "volumes"
STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/no-provisioner",
    "volumeBindingMode": "Immediate",
}


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """kubectl as the cluster's administrator; returns what it printed."""
    command = [str(BINARIES / "kubectl"), f"--kubeconfig={KUBECONFIG}", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=check).stdout


def volume(number: int) -> dict[str, Any]:
    """One PersistentVolume: a folder of the machine that any user may write."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"local-{number:02d}"},
        "spec": {
            "accessModes": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"],
            "capacity": {"storage": "5Gi"},
            "hostPath": {"path": str(ROOT / f"local-{number:02d}"), "type": "Directory"},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "standard",
        },
    }


def manifests() -> list[dict[str, Any]]:
    """The storage class and the stock; makes the folders."""
    for number in range(VOLUMES):
        folder = ROOT / f"local-{number:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
    return [STORAGE_CLASS, *(volume(number) for number in range(VOLUMES))]


def recycle_once() -> int:
    """Wipe every released volume and offer it again; returns how many."""
    found = json.loads(kubectl("get", "persistentvolumes", "-o", "json", check=False) or '{"items": []}')
    released = [v for v in found["items"] if v.get("status", {}).get("phase") == "Released"]
    for one in released:
        name = one["metadata"]["name"]
        folder = ROOT / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        kubectl(
            "patch",
            "persistentvolume",
            name,
            "--type=json",
            "-p",
            '[{"op":"remove","path":"/spec/claimRef"}]',
            check=False,
        )
    return len(released)


def recycle() -> None:
    """Recycle for as long as the process lives."""
    while True:
        recycle_once()
        time.sleep(5)
