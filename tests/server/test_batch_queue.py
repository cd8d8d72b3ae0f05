"""The queue before the engines: real sessions, real threads, answers that belong to their requests."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.batch_policy import BOUNDED, MOST_ROWS, OFF, BatchPolicy
from ropewalk_server.serving.batch_queue import BatchQueue
from ropewalk_server.serving.model import Curve, Model
from ropewalk_server.serving.processors import THREADS, processors
from tests.polling import simulate_work
from tests.server.apps import load
from tests.server.conftest import Published, Server, ready, row

SLOW = 0.05


@pytest.fixture(scope="module")
def directory(published: tuple[Path, list[dict[str, Any]]]) -> Path:
    """A version."""
    return published[0] / "claims" / published[1][0]["uri"].removeprefix("pvc://")


@pytest.fixture
def model(directory: Path) -> Model:
    """The version, its calls made to cost 50 ms beside the real engine's work, so that requests meet in the queue."""
    found = load(directory, None)
    engine = found._engine
    calls: list[int] = []

    class Slow:
        def session(self) -> Any:
            real = engine.session()

            def run(encoded: Any) -> Any:
                calls.append(len(encoded))
                if np.abs(encoded).max() > 19:  # the encoding clips at 20
                    raise RuntimeError("a poisoned row")
                simulate_work(SLOW)
                return real(encoded)

            return run

    found._engine = Slow()
    found._threads = type(found._threads)()
    found.curve = replace(found.curve, fixed=SLOW * 1e6)
    found.calls = calls  # type: ignore[attr-defined]
    return found


def batch(model: Model, *rows: dict[str, Any]) -> Batch:
    """Rows as a request brings them."""
    return model.decoder.decode({"instances": list(rows)}, 10_000)[0]


async def test_requests_that_wait_are_computed_together_and_get_their_own_answers(
    model: Model, batch_queue: BatchQueue, directory: Path
) -> None:
    """The first alone, the rest in one call."""
    radii = [6.0 + one for one in range(12)]
    asked = [batch(model, row(mean_radius=radius)) for radius in radii]
    jobs = [batch_queue.submit(model, one) for one in asked]
    answers = await asyncio.gather(*(job.future for job in jobs))
    plain = load(directory, None)
    for one, answer in zip(asked, answers, strict=True):
        assert np.allclose(answer, plain.predict(one), atol=1e-5)
    assert model.calls == [1, 11]  # type: ignore[attr-defined]
    assert [job.computed for job in jobs] == [1, 11] + [0] * 10, "each computation's rows are told once"


async def test_a_request_that_nobody_waits_for_is_never_computed(model: Model, batch_queue: BatchQueue) -> None:
    """Its deadline passed, or its client left."""
    first = batch_queue.submit(model, batch(model, row())).future
    late = batch_queue.submit(model, batch(model, row(), row())).future
    last = batch_queue.submit(model, batch(model, row())).future
    late.cancel()
    await asyncio.gather(first, last)
    assert model.calls == [1, 1]  # type: ignore[attr-defined]


async def test_a_large_request_keeps_its_place(model: Model, batch_queue: BatchQueue) -> None:
    """Small ones that came later do not overtake it, however many; nor do they grow its batch without bound."""
    order: list[str] = []

    async def ask(name: str, count: int) -> None:
        await batch_queue.submit(model, batch(model, *[row()] * count)).future
        order.append(name)

    first = asyncio.create_task(ask("first", 1))
    await asyncio.sleep(0)
    others = [asyncio.create_task(ask("large", MOST_ROWS)), *(asyncio.create_task(ask("small", 1)) for _ in range(5))]
    await asyncio.gather(first, *others)
    assert order == ["first", "large", *["small"] * 5]
    assert model.calls == [1, MOST_ROWS, 5]  # type: ignore[attr-defined]


async def test_one_poisoned_request_fails_alone(model: Model, batch_queue: BatchQueue) -> None:
    """Those that were computed with it are computed again without it."""
    first = batch_queue.submit(model, batch(model, row())).future
    asked = [batch_queue.submit(model, batch(model, row(mean_radius=r))).future for r in (9.0, 1e30, 12.0)]
    await first
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(done[1], RuntimeError)
    assert isinstance(done[0], np.ndarray)
    assert isinstance(done[2], np.ndarray)


async def test_threads_end_with_the_queue_and_what_is_computed_is_ended_first(model: Model) -> None:
    """An interpreter must not go from under a call of an engine; what still waits is nobody's any more."""
    found = BatchQueue(2)
    jobs = [found.submit(model, batch(model, row())) for _ in range(2)]
    jobs += [found.submit(model, batch(model, *[row()] * MOST_ROWS)) for _ in range(2)]
    threads = [one for one in threading.enumerate() if one.name == "predict"]
    assert len(threads) == 2
    found.stop()
    assert not any(one.is_alive() for one in threads)
    await asyncio.gather(*(job.future for job in jobs[:2]))
    assert model.calls == [1, 1]  # type: ignore[attr-defined]
    assert not any(job.future.done() for job in jobs[2:])


def test_the_curve_is_measured_where_it_is_served(directory: Path) -> None:
    """A compiled small network is not worth batching."""
    found = load(directory, None)
    assert 0 < found.curve.micros(1) < 100_000
    assert not found.batches
    assert Curve.through(300.0, 256, 330.0).fixed > 290


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({}, 64),
    ],
)
def test_threads_follow_the_pods_limit(
    files: dict[str, str], count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a node of 64 processors, under both versions of cgroups."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert processors(tmp_path) == count


def test_numpys_libraries_start_no_more_threads_than_the_pod_may_use() -> None:
    """They read the environment once, as they are loaded: it is set by then."""
    code = (
        "import os, sys; from ropewalk_server.app.main import main; "
        "assert 'numpy' not in sys.modules; main(['serve']); "
        "assert 'numpy' in sys.modules; print(os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'])"
    )
    environment = {name: value for name, value in os.environ.items() if name not in (*THREADS, "ROPEWALK_MODEL")}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [str(processors())] * 2
    kept = subprocess.run(
        [sys.executable, "-c", code], env={**environment, "OMP_NUM_THREADS": "7"}, capture_output=True, text=True
    )
    assert kept.stdout.split()[0] == "7", "who sets it knows why"


async def test_a_request_that_is_too_late_is_never_computed(model: Model, batch_queue: BatchQueue) -> None:
    """By the clock: a timer that should have given it up may be late itself."""
    first = batch_queue.submit(model, batch(model, row())).future
    late = batch_queue.submit(model, batch(model, row(), row()), until=time.perf_counter()).future
    last = batch_queue.submit(model, batch(model, row())).future
    with pytest.raises(TimeoutError):
        await late
    await asyncio.gather(first, last)
    assert model.calls == [1, 1]  # type: ignore[attr-defined]


async def test_off_makes_every_request_a_call_of_its_own(model: Model, batch_queue: BatchQueue) -> None:
    """Whatever the engine would gain."""
    batch_queue.batching = BatchPolicy(OFF)
    await asyncio.gather(*(batch_queue.submit(model, batch(model, row())).future for _ in range(4)))
    assert model.calls == [1] * 4  # type: ignore[attr-defined]


async def test_bounded_takes_no_more_rows_into_a_call(model: Model, batch_queue: BatchQueue) -> None:
    """Also where the engine gains nothing; a request that is larger than the bound keeps its place and goes alone."""
    batch_queue.batching = BatchPolicy(BOUNDED, 3)
    model.curve = replace(model.curve, fixed=0.0)
    sizes = [1, 2, 1, 1, 5, 1, 2]
    await asyncio.gather(*(batch_queue.submit(model, batch(model, *[row()] * size)).future for size in sizes))
    assert model.calls == [1, 3, 1, 5, 3]  # type: ignore[attr-defined]


async def test_a_lone_request_waits_as_long_as_it_may(model: Model, batch_queue: BatchQueue) -> None:
    """Then it is computed; what came meanwhile with it."""
    batch_queue.batching = BatchPolicy(BOUNDED, 100, 0.2)
    began = time.perf_counter()
    first = batch_queue.submit(model, batch(model, row()))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(first.future), 0.05)
    second = batch_queue.submit(model, batch(model, row(), row()))
    await asyncio.gather(first.future, second.future)
    assert 0.2 <= first.taken - began + 0.002 < 0.5
    assert model.calls == [3]  # type: ignore[attr-defined]


async def test_a_full_call_does_not_wait(model: Model, batch_queue: BatchQueue) -> None:
    """Nor does one that nothing more can join: the next request does not fit, or is for another version."""
    batch_queue.batching = BatchPolicy(BOUNDED, 3, 20.0)
    began = time.perf_counter()
    full = [batch_queue.submit(model, batch(model, row())).future for _ in range(3)]
    cannot = [batch_queue.submit(model, batch(model, *[row()] * size)).future for size in (2, 3)]
    await asyncio.gather(*full, *cannot)
    assert time.perf_counter() - began < 10
    assert model.calls == [3, 2, 3]  # type: ignore[attr-defined]


async def test_who_gives_up_while_waiting_is_never_computed(model: Model, batch_queue: BatchQueue) -> None:
    """And keeps nobody: those behind it wait by their own time."""
    batch_queue.batching = BatchPolicy(BOUNDED, 100, 0.1)
    gone = batch_queue.submit(model, batch(model, row(), row())).future
    stays = batch_queue.submit(model, batch(model, row())).future
    late = batch_queue.submit(model, batch(model, row(), row()), until=time.perf_counter() + 0.05).future
    gone.cancel()
    assert len(await stays) == 1
    with pytest.raises(TimeoutError):
        await late
    assert model.calls == [1]  # type: ignore[attr-defined]


def batches(server: Server) -> int:
    """`ropewalk_server_inference_batches_total`."""
    text = server.get("/metrics", monitoring=True)[1]["text"]
    found = re.search(r"ropewalk_server_inference_batches_total\{[^}]*\} (\d+)", text)
    assert found is not None
    return int(found[1])


def test_a_running_server_follows_the_routes(tmp_path: Path, published: Published) -> None:
    """Requests wait for each other as long as the routes say so, over the network and for a cheap model too."""
    with contextmanager(ready)(
        tmp_path, published, batching={"type": "Bounded", "maxRows": 4, "maxDelaySeconds": 0.5}
    ) as server:

        def ask(count: int) -> float:
            """Seconds until so many requests at once are answered."""
            began = time.perf_counter()
            with ThreadPoolExecutor(count) as pool:
                assert [one[0] for one in pool.map(server.predict, [row()] * count)] == [200] * count
            return time.perf_counter() - began

        assert ask(1) > 0.45
        before = batches(server)
        ask(8)
        assert batches(server) - before in (2, 3), "a slow machine may split them otherwise"
        server.tell(1, published[1][:1], batching={"type": "Often"})
        server.tell(1, published[1][:1], batching={"type": "Off"})
        server.until(lambda: ask(1) < 0.3)
        before = batches(server)
        ask(8)
        assert batches(server) - before == 8, "each is a computation of its own"
