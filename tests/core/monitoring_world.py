"""A served model with a baseline, and minutes of traffic to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from ropewalk_model import baseline
from ropewalk_model.features import FeatureSpec
from tests.core.deployment_world import World, champion, serving

LABELS = {"count": 30, "correct": 27, "classes": [[0, 16, 17, 15], [1, 14, 13, 12]]}


MONITOR = {"window": "1m", "minSamples": 100, "minRequests": 10, "performance": {"window": "7d", "minLabels": 20}}


def watched(**drift: Any) -> World:
    """A served model with a baseline of one feature `x`, and nothing asked of it yet."""
    world = serving(monitor={**MONITOR, "drift": {"threshold": "0.2", "consecutiveWindows": 1, **drift}})
    train = {"x": np.random.default_rng(3).normal(0, 1, 3000).astype(np.float32)}
    labels = np.array(["a"] * 3000, dtype=object)
    world.baseline = baseline.build([FeatureSpec("x", "Number")], train, labels, classes=("a", "b"))
    world.now = world.now.replace(second=5)
    return world


def minute(world: World, shift: float, labels: dict[str, Any] | None = None, rows: int = 300) -> None:
    """One minute passes with requests whose `x` is shifted; then the operator looks at it."""
    assert world.baseline is not None
    bins = baseline.Baseline.from_document(world.baseline).bins["x"]
    values = np.random.default_rng(5).normal(shift, 1, rows).astype(np.float32)
    world.now += timedelta(minutes=1)
    bucket = {
        "start": int(world.now.timestamp()) - 65,
        "version": 1,
        "digest": champion(1)["digest"],
        "requests": rows,
        "errors": 3,
        "rows": rows,
        "latency": {"edgesSeconds": [0.001, 0.01], "counts": [rows - 10, 10, 0]},
        "features": {"x": bins.count(values).tolist()},
        "predictions": [],
        "labels": labels or {},
    }
    world.servers[0].windows.append(bucket)
    world.settle(seconds=1.0)
    world.now = world.now.replace(second=5)


def drift_of(world: World, shifts: Sequence[float]) -> list[str]:
    """The condition's status after each of some minutes."""
    found = []
    for shift in shifts:
        minute(world, shift)
        found.append(world.condition("DataDrift")["status"])
    return found
