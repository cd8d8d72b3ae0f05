"""Additive counts of each version's answers, in closed, epoch-aligned buckets (one event loop, no locks).

Answered requests are counted some dozens at a time: alone, between two others, each would take four times as long. It
is done a fifth of a second later at the most, so that a few of a bucket's last ones may be in the next. Rows are kept
aside and counted into the baseline's bins a thousand at a time, because a histogram of one row costs nearly as much as
one of a thousand. When rows come faster than they can be counted without being felt, one batch of k, by chance, (or
every k-th row of a large batch) is counted: shares stay unbiased, of clients too that come by turns.

Rows with texts wait (`deferred_text`).
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from random import Random

import numpy as np
from numpy.typing import NDArray

from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.types import Answered, Loaded
from ropewalk_server.telemetry.buckets import (
    LAG_EDGES,
    LATENCY_EDGES,
    BinSource,
    Counted,
    OpenBucket,
    RetiredVersion,
    Totals,
)
from ropewalk_server.telemetry.closed_windows import ClosedWindows
from ropewalk_server.telemetry.deferred_text import DeferredText

ROWS_A_SECOND = 20_000
"""Above this rate rows are sampled."""
MAX_FORMER = 5
READ_LATELY = 180.0
"""Seconds: an operator asks once a minute, and may miss a turn."""
TOGETHER = 64
"""Requests that are counted together, and the rows of one that is counted at once, or of which a part is kept."""

LARGE = 64 * 1024
"""Bytes of the rows of a request that is counted at once: sixty-four of 4 MiB would wait otherwise."""


class Recorder:
    """All versions' buckets. `clock` gives seconds since the epoch; `later` calls what is to be done when others have
    had their turn, without it all is done at once."""

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        rows_a_second: int = ROWS_A_SECOND,
        later: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._clock = clock
        self._rows_a_second = rows_a_second
        self.seconds = 60
        self._waiting: list[Answered] = []
        self._texts = None if later is None else DeferredText(later, self._left_out)
        self._open: dict[int, OpenBucket] = {}
        self._ends = 0.0
        self._finished_by = 0
        self.closed = ClosedWindows()
        self.totals: dict[int, Totals] = {}
        self._second = 0
        self._second_rows = 0
        self._last_rows = 0
        self._chance = Random(0).random
        self.feedback_rejected = 0
        self._asked = (-READ_LATELY, 0)
        """When a reader came last, and from where on it had nothing yet."""
        self.former: OrderedDict[int, RetiredVersion] = OrderedDict()
        """The last few versions that answered here, the latest last: labels come when they have been let go."""

    def follow(self, bucket_seconds: int) -> None:
        """Take another bucket length; what was counted in the old one is closed early."""
        self.settle()
        if bucket_seconds != self.seconds:
            self._close_all()
            self.seconds = bucket_seconds

    def _bucket(self, version: int, model: BinSource) -> OpenBucket:
        now = self._clock()
        if now >= self._ends or now < self._ends - self.seconds:
            self._close_all()
            self._ends = float(int(now) - int(now) % self.seconds + self.seconds)
        bucket = self._open.get(version)
        if bucket is None or bucket.model.manifest_digest != model.manifest_digest:
            if bucket is not None:
                self._close(bucket)
            bin_source = RetiredVersion.of(model)
            bucket = self._open[version] = OpenBucket(int(self._ends) - self.seconds, version, bin_source)
            self.totals.setdefault(version, Totals()).describe(bin_source)
            self.former[version] = bin_source
            self.former.move_to_end(version)
            self._forget()
        return bucket

    def _forget(self) -> None:
        """Let go of the versions that answered longest ago, but of none with an open bucket."""
        spare = len(self.former) - MAX_FORMER
        for version in [one for one in self.former if one not in self._open][: max(0, spare)]:
            del self.former[version]
            self.totals.pop(version, None)

    def answered(self, one: Answered) -> None:
        """Count it soon."""
        waiting = self._waiting
        waiting.append(one)
        batch = one.batch
        if len(waiting) >= TOGETHER or batch.rows > TOGETHER or (batch.matrix is None and batch.nbytes > LARGE):
            self.settle()

    def settle(self) -> None:
        """Count the requests that wait for it."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        second = int(self._clock())
        if second != self._second:
            self._last_rows = self._second_rows if second == self._second + 1 else 0
            self._second, self._second_rows = second, 0
        loaded, bucket, totals = self._found(waiting[0].loaded)
        for one in waiting:
            if one.loaded != loaded:
                loaded, bucket, totals = self._found(one.loaded)
            self._count(one, bucket, totals)

    def _found(self, loaded: Loaded) -> tuple[Loaded, OpenBucket, Totals]:
        return loaded, self._bucket(loaded.version, loaded.model), self.totals[loaded.version]

    def _count(self, one: Answered, bucket: OpenBucket, totals: Totals) -> None:
        (_, _, protocol), times, ended, batch, core, computed, counts = one
        requests = len(counts) or 1
        seconds = ended - times.began
        rows = batch.rows
        bucket.requests += requests
        bucket.rows += rows
        slot = bisect_left(LATENCY_EDGES, seconds)
        bucket.latency[slot] += requests
        totals.codes[protocol][200] += requests
        totals.rows += rows
        totals.count_rows(rows, computed, counts)
        totals.latency[slot] += requests
        totals.latency_sum += seconds * requests
        totals.stages.add(times, ended, requests)
        self._second_rows += rows
        step = 1 + max(self._last_rows, self._second_rows) // self._rows_a_second
        if step == 1:
            self._keep(bucket, batch, core)
            return
        offset = int(self._chance() * step)
        if rows > TOGETHER and rows >= step:
            kept = batch.every(step, offset)
            totals.sampled_out += rows - kept.rows
            self._keep(bucket, kept, core[offset::step].copy())
        elif offset:
            totals.sampled_out += rows
        else:
            self._keep(bucket, batch, core)

    def _keep(self, bucket: OpenBucket, batch: Batch, core: NDArray[np.float32]) -> None:
        if self._texts is None or not bucket.texts:
            bucket.keep(batch, core)
        else:
            self._texts.add(bucket, batch, core)

    def _left_out(self, version: int, rows: int) -> None:
        self.totals[version].sampled_out += rows

    def _count_texts(self) -> None:
        if self._texts is not None:
            self._texts.count_all()

    def failed(self, loaded: Loaded, status: int, seconds: float) -> None:
        """A request for this version that got an error. `errors` are the server's (5xx), which fail a rollout."""
        version, model, protocol = loaded
        bucket = self._bucket(version, model)
        bucket.requests += 1
        if status >= 500:
            bucket.errors += 1
        else:
            bucket.client_errors += 1
        slot = bisect_left(LATENCY_EDGES, seconds)
        bucket.latency[slot] += 1
        totals = self.totals[version]
        codes = totals.codes[protocol]
        codes[status] = codes.get(status, 0) + 1
        totals.latency[slot] += 1
        totals.latency_sum += seconds

    def labelled(self, version: int, model: BinSource, *, predicted: int, truth: int, lag: float) -> None:
        """A label that came for an answer of this version, `lag` seconds after it; classes by index."""
        bucket = self._bucket(version, model)
        bucket.label(predicted, truth)
        totals = self.totals[version]
        totals.labels += 1
        totals.labels_correct += predicted == truth
        totals.label_lag[bisect_left(LAG_EDGES, lag)] += 1
        totals.label_lag_sum += lag

    def _close(self, bucket: OpenBucket) -> None:
        self._count_texts()
        bucket.flush()
        self.closed.add(bucket.start, bucket.document(self.seconds))
        self.totals[bucket.version].add(bucket)

    def _close_all(self) -> None:
        closing, self._open = self._open, {}
        for bucket in closing.values():
            self._close(bucket)

    def tick(self) -> None:
        """Count what waits and close buckets that ended, so that a quiet pod's last requests are seen. Call several
        times a second."""
        self.settle()
        if self._open and self._clock() >= self._ends:
            self._close_all()

    def windows(self, since: int | None = None) -> bytes:
        """GET /windows: the closed buckets that start at `since` or later, as many as one answer holds. Whoever says
        `since` keeps what it has read."""
        self.tick()
        now = int(self._clock())
        if since is not None:
            self._asked = (self._clock(), since)
        through = max(now - now % self.seconds, self._finished_by)
        return self.closed.page(since or 0, through, self.seconds)

    def finish(self) -> None:
        """Nothing will be answered any more: close what is open."""
        self.settle()
        self._close_all()
        self._finished_by = int(self._ends)

    @property
    def unread(self) -> bool:
        """Whether there are closed buckets that a reader has not yet, one that came lately."""
        asked, since = self._asked
        return self.closed.latest >= since and self._clock() - asked < READ_LATELY

    def counted(self, version: int, totals: Totals) -> Counted:
        """The histograms of a version since the process started, those of the open bucket included."""
        self._count_texts()
        bucket = self._open.get(version)
        if bucket is not None:
            bucket.flush()
        return totals.counted(bucket)
