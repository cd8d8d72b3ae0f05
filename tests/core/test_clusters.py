"""The two ways to a cluster on a machine of one's own, as far as they can be seen without one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from tools.localcluster.settings import KUBERNETES_VERSION

ROOT = Path(__file__).parents[2]


def test_kinds_cluster_is_the_embedded_ones_equal() -> None:
    """One node, the name that the Makefile asks for, the same minor version of Kubernetes, by digest."""
    found = yaml.safe_load((ROOT / "kind-config.yaml").read_text(encoding="utf-8"))
    assert (found["kind"], found["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert f"--name {found['name']} " in (ROOT / "Makefile").read_text(encoding="utf-8")
    (node,) = found["nodes"]
    image = re.fullmatch(r"kindest/node:(v\d+\.\d+)\.\d+@sha256:[0-9a-f]{64}", node["image"])
    assert image
    assert KUBERNETES_VERSION.startswith(f"{image[1]}.")


def test_a_missing_kind_is_said_in_one_line() -> None:
    """With what to do, before anything else is tried."""
    make = shutil.which("make")
    assert make
    empty = {"PATH": "/nonexistent", "HOME": "/nonexistent"}
    done = subprocess.run(
        [make, "--no-print-directory", "kind-present", "CLUSTER=kind"],
        cwd=ROOT,
        env=empty,
        capture_output=True,
        text=True,
        check=False,
    )
    said, *rest = done.stderr.splitlines()
    assert done.returncode != 0
    assert "kind is not on the PATH" in said
    assert "CLUSTER=local" in said
    assert all(line.startswith("make: ***") for line in rest)


def test_a_reader_that_goes_early_gets_no_traceback() -> None:
    """As `python -m tools.localcluster status | head -1` has it."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "tools.localcluster", "kubeconfig"]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
