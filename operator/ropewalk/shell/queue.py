"""The work queue: one pass at a time for each resource, events that come together coalesce, failures back off."""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from . import metrics
from .clock import Clock, SystemClock

LOG = logging.getLogger(__name__)
FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 300.0
PASSES_AT_ONCE = 16


class Key(NamedTuple):
    """A resource by kind, namespace and name."""

    kind: str
    namespace: str
    name: str


class Retry(Exception):
    """A pass that lost a race: try again at once, without a word in the log."""


@dataclass(slots=True)
class _Entry:
    due: float | None = None
    """When the next pass is due; None: nothing asked for one."""
    running: bool = False
    failures: int = 0


class Queue:
    """Runs `work(key)` for keys that are due; what it returns is the delay until the key's next pass, if any.

    A key never has two passes at a time. Asking again while one runs gives one more afterwards, however often it was
    asked. An exception is logged and retried after 0.5 s, doubling to 5 minutes, with jitter; success resets that.
    """

    def __init__(
        self,
        work: Callable[[Key], Awaitable[float | None]],
        concurrency: int = PASSES_AT_ONCE,
        clock: Clock | None = None,
    ) -> None:
        self._work = work
        self._clock = clock or SystemClock()
        self._entries: dict[Key, _Entry] = {}
        self._heap: list[tuple[float, Key]] = []
        self._wake = asyncio.Event()
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, key: Key, after: float = 0.0) -> None:
        """Ask for a pass in `after` seconds at the latest; an earlier one stands."""
        due = self._clock() + after
        entry = self._entries.setdefault(key, _Entry())
        if entry.due is not None and entry.due <= due:
            return
        entry.due = due
        heapq.heappush(self._heap, (due, key))
        self._wake.set()

    @property
    def backlog(self) -> int:
        """Keys that a pass is under way or asked for."""
        return len(self._entries)

    def forget(self, key: Key) -> None:
        """The resource is gone: drop what is due."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.due = None
            if not entry.running:
                del self._entries[key]

    async def run(self) -> None:
        """Work until cancelled; running passes are cancelled too."""
        try:
            while True:
                delay = self._start_due()
                self._wake.clear()
                await self._clock.wait(self._wake, delay)
        finally:
            for task in self._tasks:
                task.cancel()

    def _start_due(self) -> float | None:
        """Start what is due; seconds until the next one is, None if there is none."""
        now = self._clock()
        while self._heap:
            due, key = self._heap[0]
            entry = self._entries.get(key)
            if entry is None or entry.due != due or entry.running:
                heapq.heappop(self._heap)
                continue
            if due > now:
                return due - now
            heapq.heappop(self._heap)
            entry.due, entry.running = None, True
            task = asyncio.create_task(self._pass(key, entry))
            self._tasks.add(task)
            task.add_done_callback(self._passed)
            self._show_depth()
        return None

    def _passed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._show_depth()

    def _show_depth(self) -> None:
        """What is due has a task at once; those beyond the slots wait for one."""
        metrics.QUEUE_DEPTH.set(max(0, len(self._tasks) - self._concurrency))

    async def _pass(self, key: Key, entry: _Entry) -> None:
        delay: float | None = None
        try:
            async with self._slots:
                delay = await self._work(key)
            entry.failures = 0
        except Retry:
            delay = 0.05
        except Exception as error:
            delay = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**entry.failures) * random.uniform(0.8, 1.2)
            entry.failures = min(entry.failures + 1, 16)
            LOG.warning(
                "pass failed",
                extra={
                    "kind": key.kind,
                    "namespace": key.namespace,
                    "resource": key.name,
                    "retry_in": round(delay, 2),
                    "error": repr(error),
                },
            )
        finally:
            entry.running = False
            pending, entry.due = entry.due, None
            if pending is not None:
                self.add(key, max(0.0, pending - self._clock()))
            if delay is not None:
                self.add(key, delay)
            if entry.due is None and entry.failures == 0:
                self._entries.pop(key, None)
            self._wake.set()
