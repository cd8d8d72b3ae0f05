"""The work queue keeps its promises: one pass at a time, coalescing, backoff, earliest due stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from ropewalk.shell.clock import Clock, SystemClock
from ropewalk.shell.queue import Key, Queue, Retry

KEY = Key("Pipeline", "ns", "a")
Work = Callable[[Key], Awaitable[float | None]]


class FakeClock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._passed = asyncio.Event()

    def __call__(self) -> float:
        """Now."""
        return self.now

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        """Until `event` is set or the test has let `seconds` pass."""
        end = float("inf") if seconds is None else self.now + seconds
        while not event.is_set() and self.now < end:
            self._passed.clear()
            waits = [asyncio.ensure_future(one.wait()) for one in (event, self._passed)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in waits:
                    one.cancel()

    async def passes(self, seconds: float = 0.0) -> None:
        """Let time pass, and everything run that is due by then."""
        self.now += seconds
        self._passed.set()
        await turns()


async def turns() -> None:
    """Let the event loop run until nothing more is ready: far more turns than a pass has steps."""
    for _ in range(50):
        await asyncio.sleep(0)


@asynccontextmanager
async def running(work: Work, concurrency: int = 16) -> AsyncIterator[tuple[Queue, FakeClock]]:
    """A queue at work, and its clock."""
    clock = FakeClock()
    async with at_work(work, clock, concurrency) as queue:
        yield queue, clock


@asynccontextmanager
async def at_work(work: Work, clock: Clock, concurrency: int = 16) -> AsyncIterator[Queue]:
    """A queue at work by that clock."""
    queue = Queue(work, concurrency, clock)
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_key_never_has_two_passes_and_requests_coalesce() -> None:
    """Ten requests while a pass runs give exactly one more."""
    active, most, passes = 0, 0, 0
    release = asyncio.Event()

    async def work(_: Key) -> None:
        nonlocal active, most, passes
        active += 1
        passes += 1
        most = max(most, active)
        await release.wait()
        active -= 1

    async with running(work) as (queue, clock):
        queue.add(KEY)
        await turns()
        for _ in range(10):
            queue.add(KEY)
        release.set()
        await clock.passes(60)
    assert (most, passes) == (1, 2)


async def test_different_keys_run_side_by_side() -> None:
    """One that hangs keeps nobody else waiting."""
    done: list[str] = []

    async def work(key: Key) -> None:
        if key.name == "hangs":
            await asyncio.Event().wait()
        done.append(key.name)

    async with running(work) as (queue, _):
        queue.add(Key("Pipeline", "ns", "hangs"))
        queue.add(KEY)
        await turns()
    assert done == ["a"]


async def test_what_a_pass_returns_is_the_delay_to_the_next() -> None:
    """None: no next one."""
    times: list[float] = []

    async def work(_: Key) -> float | None:
        times.append(clock())
        return 20.0 if len(times) < 3 else None

    async with running(work) as (queue, clock):
        queue.add(KEY)
        for _ in range(100):
            await clock.passes(1)
    assert [time - 1000 for time in times] == [1, 21, 41]


async def test_an_event_brings_the_next_pass_forward() -> None:
    """And the one that it comes before is not made as well."""
    times: list[float] = []

    async def work(_: Key) -> float | None:
        times.append(clock())
        return 20.0 if len(times) == 1 else None

    async with running(work) as (queue, clock):
        queue.add(KEY)
        await clock.passes()
        await clock.passes(5)
        queue.add(KEY)
        queue.add(KEY, 30.0)
        await clock.passes()
        for _ in range(10):
            await clock.passes(10)
    assert [time - 1000 for time in times] == [0, 5]


async def test_a_failure_is_retried_with_growing_pauses_and_a_lost_race_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first retry comes after about half a second, the next after a second; Retry comes at once, without a log."""
    times: list[float] = []

    async def work(_: Key) -> None:
        times.append(clock())
        if len(times) < 3:
            raise RuntimeError("no")
        if len(times) == 3:
            raise Retry

    async with running(work) as (queue, clock):
        queue.add(KEY)
        await clock.passes()
        for _ in range(300):
            await clock.passes(0.01)
    assert len(times) == 4
    assert 0.39 < times[1] - times[0] < 0.62
    assert 0.79 < times[2] - times[1] < 1.22
    assert times[3] - times[2] < 0.07
    assert [record.message for record in caplog.records] == ["pass failed"] * 2


async def test_forgotten_keys_do_not_run() -> None:
    """Deleting a resource takes its pending pass with it."""
    passes = 0

    async def work(_: Key) -> None:
        nonlocal passes
        passes += 1

    async with running(work) as (queue, clock):
        queue.add(KEY, 10)
        queue.forget(KEY)
        await clock.passes(60)
    assert passes == 0


async def test_the_depth_counts_what_waits_for_a_slot() -> None:
    """Neither what is worked on nor what is not due; and it falls as slots become free."""
    release = asyncio.Event()

    async def work(_: Key) -> None:
        await release.wait()

    def depth() -> float:
        return REGISTRY.get_sample_value("ropewalk_queue_depth") or 0.0

    async with running(work, concurrency=2) as (queue, clock):
        for number in range(5):
            queue.add(Key("Pipeline", "ns", str(number)))
        queue.add(Key("Pipeline", "ns", "later"), 60)
        await clock.passes()
        assert depth() == 3
        release.set()
        await clock.passes()
        assert depth() == 0


async def test_by_the_clock_of_the_machine() -> None:
    """What is due soon runs soon."""
    ran = asyncio.Event()

    async def work(_: Key) -> None:
        ran.set()

    async with at_work(work, SystemClock()) as queue:
        queue.add(KEY, 0.01)
        await asyncio.wait_for(ran.wait(), 20)
