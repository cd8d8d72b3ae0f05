"""The number of processors that this process may use: the pod's CPU limit, never the node's cores."""

from __future__ import annotations

import os
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that numpy's libraries read when they are loaded: else they start a thread for every core of the node."""


def bound_threads() -> None:
    """Bind those libraries to what this process may use. Before numpy is imported."""
    for name in THREADS:
        os.environ.setdefault(name, str(processors()))


def processors(root: Path = Path("/sys/fs/cgroup")) -> int:
    """At least 1: the limit of cgroup v2 or v1, rounded up, and no more than the process' affinity."""
    available = len(os.sched_getaffinity(0))
    quota = _v2(root) or _v1(root)
    return max(1, min(available, quota if quota is not None else available))


def _v2(root: Path) -> int | None:
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return None if quota == "max" else -(-int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _v1(root: Path) -> int | None:
    try:
        quota = int((root / "cpu/cpu.cfs_quota_us").read_text())
        period = int((root / "cpu/cpu.cfs_period_us").read_text())
        return -(-quota // period) if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
