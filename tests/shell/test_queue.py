"""The work queue keeps its promises: one pass at a time, coalescing, backoff, earliest due stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from prometheus_client import REGISTRY

from ropewalk.shell.queue import Key, Queue, Retry

KEY = Key("Pipeline", "ns", "a")


@asynccontextmanager
async def running(work: Callable[[Key], Awaitable[float | None]], concurrency: int = 16) -> AsyncIterator[Queue]:
    """A queue at work."""
    queue = Queue(work, concurrency)
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

    async with running(work) as queue:
        queue.add(KEY)
        await asyncio.sleep(0.05)
        for _ in range(10):
            queue.add(KEY)
        release.set()
        await asyncio.sleep(0.1)
    assert (most, passes) == (1, 2)


async def test_different_keys_run_side_by_side() -> None:
    """One that hangs keeps nobody else waiting."""
    done: list[str] = []

    async def work(key: Key) -> None:
        if key.name == "hangs":
            await asyncio.sleep(60)
        done.append(key.name)

    async with running(work) as queue:
        queue.add(Key("Pipeline", "ns", "hangs"))
        queue.add(KEY)
        await asyncio.sleep(0.1)
    assert done == ["a"]


async def test_what_a_pass_returns_is_the_delay_to_the_next() -> None:
    """And an event that comes before it brings the pass forward without a second one."""
    times: list[float] = []

    async def work(_: Key) -> float | None:
        times.append(asyncio.get_running_loop().time())
        return 0.2 if len(times) < 3 else None

    async with running(work) as queue:
        queue.add(KEY)
        await asyncio.sleep(0.7)
    assert len(times) == 3
    assert times[1] - times[0] >= 0.19


async def test_a_failure_is_retried_with_growing_pauses_and_a_lost_race_at_once() -> None:
    """The first retry comes after about half a second; Retry comes at once."""
    times: list[float] = []

    async def work(_: Key) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            raise RuntimeError("no")
        if len(times) == 2:
            raise Retry

    async with running(work) as queue:
        queue.add(KEY)
        await asyncio.sleep(1.0)
    assert len(times) == 3
    assert 0.35 < times[1] - times[0] < 0.75
    assert times[2] - times[1] < 0.2


async def test_forgotten_keys_do_not_run() -> None:
    """Deleting a resource takes its pending pass with it."""
    passes = 0

    async def work(_: Key) -> None:
        nonlocal passes
        passes += 1

    async with running(work) as queue:
        queue.add(KEY, 0.1)
        queue.forget(KEY)
        await asyncio.sleep(0.3)
    assert passes == 0


async def test_the_depth_counts_what_waits_for_a_slot() -> None:
    """Neither what is worked on nor what is not due; and it falls as slots become free."""
    release = asyncio.Event()

    async def work(_: Key) -> None:
        await release.wait()

    def depth() -> float:
        return REGISTRY.get_sample_value("ropewalk_queue_depth") or 0.0

    async with running(work, concurrency=2) as queue:
        for number in range(5):
            queue.add(Key("Pipeline", "ns", str(number)))
        queue.add(Key("Pipeline", "ns", "later"), 60)
        await asyncio.sleep(0.05)
        assert depth() == 3
        release.set()
        await asyncio.sleep(0.05)
        assert depth() == 0
