"""Predictions that are too slow for the event loop: a queue, as many threads as processors, and batches where they pay.

A batch is not waited for. While all threads compute, requests queue; the thread that becomes free takes what has
queued for the same model, up to MOST_ROWS. So a lone request starts at once, and under load batches grow until the
queue is empty: the delay is bounded by one computation, and there is nothing to tune. Who wants to tune it all the same
(`BatchPolicy`) can have requests wait a bounded time while a thread is free. The queue is first in, first out, so no
request is overtaken for ever by smaller ones, and one whose deadline has passed is never computed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from math import inf
from queue import SimpleQueue

from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.batch_policy import AUTO, OFF, BatchPolicy
from ropewalk_server.serving.model import Model
from ropewalk_server.serving.types import Core

MOST_BYTES = 64 * 1024 * 1024
"""Of a batch that is put together from several requests."""
LEAVE_SECONDS = 1.0


class Job:
    """One request's rows, waiting or being computed; cancel `future` to give it up.

    `until` is the time.perf_counter() after which nobody wants the answer; `taken` is that when a thread took it (the
    last time, if it was computed again), 0.0 before. Up to the time `ripe` it waits for others. `alone` is a request
    that shares its call with no other. `computed` are the call's rows, in its first job only, so that they are
    counted once.
    """

    __slots__ = ("alone", "batch", "computed", "future", "model", "ripe", "taken", "until")

    def __init__(self, model: Model, batch: Batch, future: asyncio.Future[Core], until: float) -> None:
        self.model, self.batch, self.future, self.until = model, batch, future, until
        self.alone = False
        self.ripe = self.taken = 0.0
        self.computed = 0

    def fail(self, error: BaseException) -> None:
        """Nobody waits for it any more but to hear of this."""
        if not self.future.done():
            self.future.set_exception(error)


class BatchQueue:
    """The queue and its threads. Lives on the event loop."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._work: SimpleQueue[Sequence[Job] | None] = SimpleQueue()
        """Taken jobs for the threads; None ends one."""
        self._queue: deque[Job] = deque()
        self._busy = 0
        self._timer: asyncio.TimerHandle | None = None
        self.batching = BatchPolicy()

    @property
    def waiting(self) -> int:
        """Requests that no thread has taken yet."""
        return len(self._queue)

    def submit(self, model: Model, batch: Batch, until: float = inf) -> Job:
        """Queue the rows; the job's future gets the core's output [rows, outputs], what the engine raised, or a
        TimeoutError where no thread was free before `until` by time.perf_counter()."""
        job = Job(model, batch, asyncio.get_running_loop().create_future(), until)
        batching = self.batching
        job.alone = batching.type == OFF or (batching.type == AUTO and not model.batches)
        if batching.delay_seconds:
            job.ripe = time.perf_counter() + batching.delay_seconds
        self._queue.append(job)
        self._start()
        return job

    def stop(self) -> None:
        """End the threads; one that computes has a moment, since it must not return to an interpreter that is gone."""
        for _ in self._threads:
            self._work.put(None)
        end = time.monotonic() + LEAVE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _start(self) -> None:
        while self._busy < self._workers and self._queue:
            if self._busy == len(self._threads):
                serve = threading.Thread(
                    target=self._serve, args=(asyncio.get_running_loop(),), name="predict", daemon=True
                )
                serve.start()
                self._threads.append(serve)
            jobs = self._take()
            if not jobs:
                return
            self._busy += 1
            self._work.put(jobs)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """A thread's work. Not an executor: its futures make the way there and back cost four times as much."""
        while (jobs := self._work.get()) is not None:
            outcome: Core | Exception
            try:
                outcome = compute(jobs[0].model, [job.batch for job in jobs])
            except Exception as error:
                outcome = error
            try:
                loop.call_soon_threadsafe(self._computed, jobs, outcome)
            except RuntimeError:  # the loop is closed
                return
            del jobs, outcome  # a thread that waits for work keeps no body

    def _take(self) -> list[Job]:
        """The oldest requests that can be computed together; none that was given up or is too late, and none yet
        where others may still join them.

        The clock decides, not a timer: where the event loop is late, timers are too.
        """
        now = time.perf_counter()
        taken: list[Job] = []
        rows = 0
        while self._queue:
            job = self._queue[0]
            if job.future.done() or job.until <= now:
                self._queue.popleft().fail(TimeoutError())
                continue
            most = min(self.batching.most_rows, job.model.decoder.rows_in(MOST_BYTES))
            fits = not job.alone and rows + job.batch.rows <= most
            if taken and (not fits or job.model is not taken[0].model):
                break
            taken.append(self._queue.popleft())
            rows += job.batch.rows
            if job.alone:
                break
        if taken and now < taken[0].ripe and not self._queue and not taken[0].alone and rows < most:
            self._queue.extend(taken)
            self._wait_for(taken[0], taken[0].ripe - now)
            return []
        for job in taken:
            job.taken, job.computed = now, 0
        if taken:
            taken[0].computed = rows
        return taken

    def _wait_for(self, job: Job, seconds: float) -> None:
        """Look again when the job has waited long enough."""

        def ripen() -> None:
            self._timer = None
            job.ripe = 0.0  # a timer may be early by the clock that is asked here
            self._start()

        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, ripen)

    def _computed(self, jobs: Sequence[Job], outcome: Core | Exception) -> None:
        self._busy -= 1
        if not isinstance(outcome, Exception):
            _share(jobs, outcome)
        elif len(jobs) == 1:
            jobs[0].fail(outcome)
        else:  # one request's rows must not fail another's: each again, alone
            for job in reversed(jobs):
                job.alone = True
                self._queue.appendleft(job)
        self._start()


def compute(model: Model, batches: Sequence[Batch]) -> Core:
    """All rows in one call of the engine, in order. Runs in a thread."""
    if len(batches) == 1:
        return model.predict(batches[0])
    return model.predict_all(batches)


def _share(jobs: Sequence[Job], core: Core) -> None:
    if len(jobs) == 1:  # all of it, which of named tensors has no rows to be cut
        if not jobs[0].future.done():
            jobs[0].future.set_result(core)
        return
    at = 0
    for job in jobs:
        if not job.future.done():
            job.future.set_result(core[at : at + job.batch.rows])
        at += job.batch.rows
