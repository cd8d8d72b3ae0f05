"""What is read and written beside the event loop: what waits for it is bounded, and let go once it is over."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ropewalk_model.tasks import NAMED_TENSORS
from ropewalk_server.app.grpc_app import GrpcApp
from ropewalk_server.protocols.common.deferred_response import predicted
from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.protocols.common.must_offload import LARGE, MANY
from ropewalk_server.protocols.common.offloaded_decode import read
from ropewalk_server.protocols.openinference.grpc import SERVICE
from ropewalk_server.protocols.protos import openinference_pb2 as oip
from ropewalk_server.protocols.protos import tfserving_pb2 as pb
from ropewalk_server.protocols.tfserving.grpc import PREDICTION
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.offload import Offload
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.processors import processors
from ropewalk_server.serving.types import Loaded, Refused
from ropewalk_server.telemetry.receipts import BODY, REQUEST, Receipts
from ropewalk_server.transport.http1.types import Request, Response
from ropewalk_server.transport.http2.rpc import Code, Head, Reply
from ropewalk_server.transport.limits import Limits
from tests.server.apps import http_app, load
from tests.server.conftest import row
from tests.server.predictors import predictor


class Octets(bytearray):
    """A body, or what became of it, that can be looked for."""


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Without the garbage collector: what is left is in a cycle."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def plainly(document: Octets) -> None:
    """Refuse it."""
    raise BadRequest(f"{len(document)} bytes are too many")


def on_second_thought(document: Octets) -> None:
    """Refuse it for what another has found."""
    try:
        int(document.decode())
    except ValueError:
        raise BadRequest(f"{len(document)} bytes are no number") from None


@pytest.mark.parametrize("refuse", [plainly, on_second_thought])
async def test_a_request_that_is_refused_is_let_go_at_once(uncollected: None, refuse: Callable[[Octets], None]) -> None:
    """Neither its body nor what became of it waits for the garbage collector."""
    one = any_predictor()
    left: list[weakref.ref[Octets]] = []

    async def ask() -> None:
        body = Octets(b"body")
        left.append(weakref.ref(body))

        def decode() -> None:
            document = Octets(body)
            left.append(weakref.ref(document))
            refuse(document)

        with pytest.raises(BadRequest):
            await read(one, None, time.perf_counter(), 10, decode)

    await asyncio.ensure_future(ask())
    await read(one, None, time.perf_counter(), 10, int)  # the thread holds the last one
    assert [one() for one in left] == [None, None]


def any_predictor(**limits: Any) -> Any:
    """What is asked of one."""
    rejected: list[str] = []
    return SimpleNamespace(limits=Limits(**limits), offload=Offload(), rejected=rejected, reject=rejected.append)


async def test_what_nobody_waits_for_counts_until_a_thread_has_left_it() -> None:
    """Else a client that goes and comes again has any number of bodies in memory; one that no thread has is let go."""
    one = any_predictor(deadline_seconds=0.2)
    go = threading.Event()
    left: list[weakref.ref[Octets]] = []

    def decode() -> Callable[[], bool]:
        body = Octets(b"body")
        left.append(weakref.ref(body))
        return lambda: go.wait() and bool(body)

    asked = [read(one, None, time.perf_counter(), 10, decode()) for _ in range(processors() + 1)]
    try:
        said = {str(why) for why in await asyncio.gather(*asked, return_exceptions=True)}
        assert said == {"Reading the request took longer than 0.2 s"}
        assert (one.offload.reading, one.offload.reading_bytes) == (processors(), processors() * 10)
        late = one.offload.run(decode())
        assert left[-1]() is not None
        late.cancel()
        await asyncio.sleep(0)
        assert left[-1]() is None
    finally:
        go.set()
    while one.offload.reading:
        await asyncio.sleep(0)
    assert one.offload.reading_bytes == 0


async def test_all_protocols_have_one_room_for_large_requests(published: tuple[Path, list[dict[str, Any]]]) -> None:
    """Of as many as may wait, not as many each."""
    model = load(published[0] / "claims" / published[1][0]["uri"].removeprefix("pvc://"), None)
    one = predictor(model, max_concurrency=1)
    rest, grpc = http_app(one), GrpcApp(one, None, lambda: False)
    predict = pb.PredictRequest(model_spec=pb.ModelSpec(name="cancer"))
    predict.inputs[next(iter(row()))].dtype = 9
    predict.inputs[next(iter(row()))].int64_val.extend([1] * (MANY + 1))
    predict.inputs[next(iter(row()))].tensor_shape.dim.add(size=MANY + 1)
    infer = oip.ModelInferRequest(model_name="cancer")
    infer.inputs.add(name=next(iter(row())), datatype="INT64", shape=[MANY + 1]).contents.int64_contents.extend(
        [1] * (MANY + 1)
    )
    large = b"[" * (LARGE + 1)

    def ask() -> list[Any]:
        posted = [f"/v{path}".encode() for path in ("1/models/cancer:feedback", "2/models/cancer/infer")]
        said: list[Any] = [rest.handle(Request(b"POST", path, large)) for path in posted]
        for path, message in ((PREDICTION + "Predict", predict), (SERVICE + "ModelInfer", infer)):
            said += [
                grpc.handle(Head(path.encode(), kept={REQUEST: BODY} if receipts else {}), message.SerializeToString())
                for receipts in (False, True)
            ]
        return said

    go = threading.Event()
    taken = one.offload.read(go.wait, 0)
    try:
        answers = [answer if isinstance(answer, (Response, Reply)) else await answer for answer in ask()]
    finally:
        go.set()
    statuses = [said.status if isinstance(said, Response) else said.code for said in answers]
    assert statuses == [*[429] * 2, *[Code.RESOURCE_EXHAUSTED] * 4], answers
    assert await taken


def with_outputs(size: int, counts: list[tuple[int, int]], *, late: bool = False) -> tuple[Predictor, Loaded, Batch]:
    """A version 2 whose outputs are so many values, and a request for it; `counts` gets version and status."""
    monitor: Any = SimpleNamespace(
        answered=lambda one: counts.append((one.loaded.version, 200)),
        failed=lambda loaded, status, seconds: counts.append((loaded.version, status)),
    )
    model: Any = SimpleNamespace(
        curve=SimpleNamespace(micros=lambda rows: 1e6 if late else 1.0),
        signature=SimpleNamespace(kind=NAMED_TENSORS),
        predict=lambda batch: {"y": np.zeros(size, np.float32)},
        classes=(),
        batches=False,
        decoder=SimpleNamespace(floats_only=False, rows_in=lambda size: 1),
    )
    one = Predictor("cancer", SimpleNamespace(live=1), monitor, Receipts(None))  # type: ignore[arg-type]
    return one, Loaded(2, model), Batch(1, (), matrix=np.zeros((1, 0), np.float32))


@pytest.mark.parametrize("size", [1, MANY + 1])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("broken", [False, True])
async def test_an_answer_is_counted_once_when_it_has_been_written(size: int, late: bool, broken: bool) -> None:
    """For the version that was asked, and never refused for those that wait; many values are written by a thread."""
    counts: list[tuple[int, int]] = []
    one, loaded, batch = with_outputs(size, counts, late=late)
    one.offload.reading = one.limits.max_concurrency

    def write(core: Any, issued: Any) -> int:
        assert not counts
        if broken:
            raise ValueError
        return threading.get_ident()

    try:
        said = predicted(one, loaded, batch, time.perf_counter(), write)
        thread = await said if isinstance(said, asyncio.Future) else said
        assert (thread != threading.get_ident()) == (size > 1)
    except Refused:
        assert broken
    assert counts == [(2, 500 if broken else 200)]
    one.stop()


async def test_an_answer_that_is_not_written_in_time_is_no_success() -> None:
    """The deadline is one over computing and writing."""
    counts: list[tuple[int, int]] = []
    one, loaded, batch = with_outputs(MANY + 1, counts)
    one.limits = Limits(deadline_seconds=0.2)
    go = threading.Event()
    try:
        said = predicted(one, loaded, batch, time.perf_counter(), lambda core, issued: go.wait())
        assert isinstance(said, asyncio.Future)
        with pytest.raises(Refused, match="writing the prediction took longer") as found:
            await said
    finally:
        go.set()
    assert (found.value.status, counts, one.in_flight) == (504, [(2, 504)], 0)
    assert one.rejected["deadline"] == 1
    one.stop()
