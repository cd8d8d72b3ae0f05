"""What a figure is measured with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.serving.results import Results
from benchmarks.serving.servers import Bench
from benchmarks.serving.setups import Setup


@dataclass(frozen=True)
class Run:
    """The run's settings, its servers and where its results go."""

    bench: Bench
    results: Results
    setups: tuple[Setup, ...]
    engines: tuple[str, ...]
    only: frozenset[str]
    seconds: float
    rounds: int
    memory_seconds: tuple[float, float]

    def each(self) -> Iterator[tuple[Setup, str]]:
        """Peers with their engines."""
        return ((setup, engine) for setup in self.setups for engine in self.engines)
