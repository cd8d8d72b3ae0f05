"""The rows of the requests that come, by which an engine is chosen: one is fastest for a row, another for hundreds."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 20.0
FEWEST = 100
"""Requests of a period that say something about the next."""


class RowsSeen:
    """Rows a request, on the average of a period, of one version."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._version: int | None = None
        self._requests = self._rows = 0
        self._next = clock() + SECONDS

    def average(self, version: int, requests: int, rows: int) -> float | None:
        """At the end of a period that had enough requests, else None. The counts are those since the start."""
        now = self._clock()
        if now < self._next and version == self._version:
            return None
        came, with_rows = requests - self._requests, rows - self._rows
        known = version == self._version
        self._version, self._requests, self._rows, self._next = version, requests, rows, now + SECONDS
        return with_rows / came if known and came >= FEWEST else None
