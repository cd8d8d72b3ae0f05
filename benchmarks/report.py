"""How a figure is printed, and on what machine it was measured."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence


def emit(
    benchmark: str,
    metric: str,
    values: float | Sequence[float],
    unit: str,
    target: float | None = None,
    compared_with: str = "",
    at_least: bool = False,
) -> float:
    """Print one figure, the median of `values`; `met` is whether it is at most (or at least) `target`."""
    several = list(values) if isinstance(values, Sequence) else [float(values)]
    value = statistics.median(several)
    line: dict[str, object] = {"benchmark": benchmark, "metric": metric, "value": round(value, 4), "unit": unit}
    line["target"] = target
    line["met"] = None if target is None else (value >= target if at_least else value <= target)
    line["compared_with"] = compared_with
    if len(several) > 1:
        line |= {"runs": len(several), "least": round(min(several), 4), "most": round(max(several), 4)}
    print(json.dumps(line), flush=True)
    return value


def machine() -> dict[str, object]:
    """Print what the figures were measured on, and return it."""
    model = platform.processor()
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model)
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) // 1024
    facts: dict[str, object] = {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_mib": memory,
        "kernel": platform.release(),
    }
    print(json.dumps({"benchmark": "machine", "metric": "facts", "value": facts}), flush=True)
    return facts
