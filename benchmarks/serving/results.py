"""What a run has found: printed as it is found, written as a table and as plots at its end."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.serving import tools
from benchmarks.serving.wrk import Sample


@dataclass(frozen=True)
class Row:
    """A server under one load: medians of the samples."""

    server: str
    engine: str
    load: str
    rows: int
    rate: float
    p50: float
    p99: float
    failed: int
    samples: int


class Results:
    """Figures with their targets, servers under loads, sizes of servers, and what could not be measured."""

    def __init__(self, machine: dict[str, Any], settings: dict[str, Any]) -> None:
        self.machine = machine
        self.settings = settings
        self.figures: list[dict[str, Any]] = []
        self.sizes: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.points: list[dict[str, Any]] = []
        self.skipped: list[str] = []
        self._samples: dict[tuple[str, str, str, int], list[Sample]] = {}

    def figure(
        self,
        metric: str,
        values: float | Sequence[float],
        unit: str,
        target: float | None = None,
        compared_with: str = "",
        *,
        at_least: bool = False,
    ) -> float:
        """Print and keep one figure, the median of `values`."""
        value = report.emit("serving", metric, values, unit, target, compared_with, at_least)
        met = None if target is None else (value >= target if at_least else value <= target)
        sign = "" if target is None else ("at least " if at_least else "at most ")
        kept = {"metric": metric, "value": value, "unit": unit, "target": target, "met": met, "sign": sign}
        self.figures.append({**kept, "compared_with": compared_with})
        return value

    def skip(self, text: str) -> None:
        """Print and keep what could not be measured, and why; without this machine's paths."""
        text = text.replace(str(tools.cache()), "CACHE").replace(str(Path.home()), "~")
        print(json.dumps({"benchmark": "serving", "metric": "not measured", "value": text}), flush=True)
        self.skipped.append(text)

    def sample(self, server: str, engine: str, load: str, rows: int, sample: Sample) -> None:
        """Print and keep one sample."""
        line = {"benchmark": "serving", "server": server, "engine": engine, "load": load, **asdict(sample)}
        print(json.dumps(line), flush=True)
        self._samples.setdefault((server, engine, load, rows), []).append(sample)

    def point(self, rows: int, connections: int, sample: Sample) -> None:
        """Print and keep one point of the sweep over rows and connections."""
        found = {"rows": rows, "connections": connections, "rate": rows * sample.rate, "p99": sample.p99}
        found["failed"] = sample.failed
        print(json.dumps({"benchmark": "serving", "load": "points", **found}), flush=True)
        self.points.append(found)

    def size(self, server: str, engine: str, model: str, seconds: float, mebibytes: float) -> None:
        """Print and keep how long a server took to its first answer and what it takes after its loads."""
        found = {"server": server, "engine": engine, "model": model, "first_answer": seconds, "resident": mebibytes}
        print(json.dumps({"benchmark": "serving", **found}), flush=True)
        self.sizes[server, engine, model] = found

    def rows(self, load: str | None = None) -> list[Row]:
        """Servers under a load (all loads: None), in the order they were measured."""
        return [
            Row(
                *key,
                rate=statistics.median(one.rate for one in samples),
                p50=statistics.median(one.p50 for one in samples),
                p99=statistics.median(one.p99 for one in samples),
                failed=sum(one.failed for one in samples),
                samples=len(samples),
            )
            for key, samples in self._samples.items()
            if load in (None, key[2])
        ]

    def document(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return {
            "machine": self.machine,
            "settings": self.settings,
            "figures": self.figures,
            "loads": [asdict(row) for row in self.rows()],
            "sizes": list(self.sizes.values()),
            "points": self.points,
            "skipped": self.skipped,
        }
