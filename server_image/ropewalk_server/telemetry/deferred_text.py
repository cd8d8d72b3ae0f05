"""Rows with texts that wait to be counted: some in each turn of the event loop, since a text costs fifty times as much
as a number and a request may bring ten thousand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

import numpy as np
from numpy.typing import NDArray

from ropewalk_server.serving.batch import Batch
from ropewalk_server.telemetry.buckets import FLUSH_TEXTS, OpenBucket

MOST_AT_ONCE = 1024
"""Texts that are counted when it cannot wait, because the bucket closes or somebody asks: of more a sample."""
MOST_WAITING, MOST_BYTES = 100_000, 32 << 20
"""Texts that wait, and bytes of the requests that brought them; with more a sample is counted, too."""


class DeferredText:
    """Of all versions. `later` calls what is to be done when others have had their turn; `left_out` hears of so many
    rows of a version that are not counted."""

    def __init__(self, later: Callable[[Callable[[], None]], object], left_out: Callable[[int, int], None]) -> None:
        self._later = later
        self._left_out = left_out
        self._rows: deque[tuple[OpenBucket, Batch, NDArray[np.float32], int]] = deque()
        self._due = False
        self._chance = Random(0).random
        self.texts = self.nbytes = 0

    def add(self, bucket: OpenBucket, batch: Batch, core: NDArray[np.float32]) -> None:
        """Count these soon."""
        size = batch.nbytes
        self._rows.append((bucket, batch, core, size))
        self.texts += batch.rows * bucket.texts
        self.nbytes += size
        if self.texts > MOST_WAITING or self.nbytes > MOST_BYTES:
            self.count_all()
        elif not self._due:
            self._due = True
            self._later(self._count_some)

    def _count_some(self) -> None:
        """As many as may be in one turn."""
        left = FLUSH_TEXTS
        try:
            while self._rows and left > 0:
                bucket, batch, core, size = self._rows.popleft()
                most = max(1, left // bucket.texts)
                if batch.rows > most:  # a part keeps all of its request in memory
                    self._rows.appendleft((bucket, batch.part(most, batch.rows), core[most:], size))
                    batch, core, size = batch.part(0, most), core[:most], 0
                left -= batch.rows * bucket.texts
                self.texts -= batch.rows * bucket.texts
                self.nbytes -= size
                bucket.keep(batch, core)
        finally:
            self._due = bool(self._rows)
            if self._due:
                self._later(self._count_some)

    def count_all(self) -> None:
        """At once, of many every k-th row."""
        step = 1 + self.texts // MOST_AT_ONCE
        rows, self._rows = self._rows, deque()
        self.texts = self.nbytes = 0
        for bucket, batch, core, _ in rows:
            if step > 1:
                offset = int(self._chance() * step)
                kept = batch.every(step, offset)
                self._left_out(bucket.version, batch.rows - kept.rows)
                batch, core = kept, core[offset::step].copy()
            if batch.rows:
                bucket.keep(batch, core)
