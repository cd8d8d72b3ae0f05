"""Behind all protocols: what is let in, what is counted, and by when an answer is there."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ropewalk_server.app.grpc_app import GrpcApp
from ropewalk_server.auth.credentials import Verdict
from ropewalk_server.protocols.tfserving.grpc import MODEL
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.model import Model
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import Core, Issued, Loaded, Refused
from ropewalk_server.telemetry.prometheus import render
from ropewalk_server.transport.http1.types import Request, Response, encode
from ropewalk_server.transport.http2.rpc import Code, Head, Reply
from ropewalk_server.transport.limits import REASONS, Limits
from tests.server.apps import http_app, load
from tests.server.conftest import row
from tests.server.predictors import predictor


@pytest.fixture
def model(published: tuple[Path, list[dict[str, Any]]]) -> Model:
    """A version, cheap enough for the event loop."""
    return load(published[0] / "claims" / published[1][0]["uri"].removeprefix("pvc://"), None)


@pytest.fixture
def slow(model: Model) -> Model:
    """One that is computed in a thread."""
    model.curve = replace(model.curve, fixed=1e5)
    return model


def batch(model: Model) -> Batch:
    """A row."""
    return model.decoder.decode({"instances": [row()]}, 10)[0]


def written(core: Core, issued: Issued) -> int:
    """An answer."""
    return len(core)


def counted(one: Predictor) -> tuple[int, int]:
    """Requests and server errors of the version's open window."""
    one.observer.settle()
    bucket = one.observer._open[1]
    return bucket.requests, bucket.errors


def submit(one: Predictor, model: Model, times: int) -> tuple[list[asyncio.Future[int]], list[int]]:
    """So many requests in one turn of the loop: those that were accepted, and the others' statuses."""
    accepted, refused = [], []
    for _ in range(times):
        try:
            answer = one.predict(Loaded(1, model), batch(model), time.perf_counter(), written)
        except Refused as why:
            refused.append(why.status)
        else:
            assert isinstance(answer, asyncio.Future)
            accepted.append(answer)
    return accepted, refused


async def test_the_queue_has_the_length_of_max_concurrency(slow: Model) -> None:
    """However many requests come at once."""
    one = predictor(slow, max_concurrency=4)
    accepted, refused = submit(one, slow, 100)
    assert (len(accepted), refused, one.in_flight) == (4, [429] * 96, 4)
    await asyncio.sleep(0)
    assert one.waiting <= 4
    assert await asyncio.gather(*accepted) == [1] * 4
    assert (one.in_flight, one.rejected["concurrency"]) == (0, 96)
    one.stop()


async def test_a_request_that_is_given_up_makes_room(slow: Model) -> None:
    """Even before it was looked at."""
    one = predictor(slow, max_concurrency=1)
    accepted, _ = submit(one, slow, 1)
    accepted[0].cancel()
    await asyncio.wait(accepted)
    await asyncio.sleep(0)
    assert one.in_flight == 0
    one.stop()


async def test_an_engine_that_fails_for_who_has_gone_says_nothing(
    slow: Model, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither as an error of a request nor as asyncio's of an exception that nobody fetched."""

    def fail(*_: Any) -> Any:
        raise RuntimeError("no memory")

    monkeypatch.setattr(slow, "predict", fail)
    one = predictor(slow)
    (gone, stays), _ = submit(one, slow, 2)
    gone.cancel()
    with pytest.raises(Refused, match="failed to compute"):
        await stays
    del gone, stays
    gc.collect()
    assert (one.in_flight, caplog.records) == (0, [])
    one.stop()


async def test_rows_that_wait_are_bounded_in_bytes(slow: Model) -> None:
    """The first may be as large as it will."""
    one = predictor(slow)
    names = slow.decoder.names
    large = Batch(600_000, names, matrix=np.zeros((600_000, len(names)), np.float32))
    assert large.nbytes > one.limits.max_buffered_bytes
    first = one.predict(Loaded(1, slow), large, time.perf_counter(), written)
    assert isinstance(first, asyncio.Future)
    assert submit(one, slow, 1)[1] == [429]
    first.cancel()
    await asyncio.wait([first])
    await asyncio.sleep(0)
    accepted, _ = submit(one, slow, 1)
    assert await accepted[0] == 1
    one.stop()


def fail(*_: Any) -> Any:
    """A bug, whose words are a client's."""
    raise RuntimeError("a value of the request: 4711")


@pytest.mark.parametrize("where", ["engine", "answer"])
def test_a_cheap_models_errors_are_counted(model: Model, where: str, capfd: pytest.CaptureFixture[str]) -> None:
    """As errors of the server, which fail a rollout; the log has where it was, and nothing of the request."""
    one = predictor(model)
    if where == "engine":
        model.predict = fail  # type: ignore[method-assign]
    write: Callable[..., Any] = fail if where == "answer" else written
    with pytest.raises(Refused, match="failed to compute") as refused:
        one.predict(Loaded(1, model), batch(model), time.perf_counter(), write)
    assert refused.value.status == 500
    assert counted(one) == (1, 1)
    [line] = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert "4711" not in str(line)
    assert "RuntimeError" in line["error"]
    assert "test_predictor.py:" in line["error"]


class Pending:
    """A gate that has not decided yet."""

    problem = ""

    def __init__(self) -> None:
        self.verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

    def ask(self, authorization: bytes | None) -> asyncio.Future[Verdict]:
        return self.verdict

    def poll(self) -> None: ...

    def close(self) -> None: ...


PREDICT = Request(b"POST", b"/v1/models/cancer:predict", json.dumps({"instances": [row()]}).encode())


async def test_a_bug_anywhere_is_counted_and_answered(model: Model) -> None:
    """In a decoder, say, at once or after the gate."""
    one = predictor(model)
    service, gate = http_app(one), Pending()
    late = http_app(one, gate)
    model.decoder = None  # type: ignore[assignment]
    answer = service.handle(PREDICT)
    assert isinstance(answer, Response)
    assert (answer.status, counted(one)) == (500, (1, 1))
    waiting = late.handle(PREDICT)
    gate.verdict.set_result(Verdict.ALLOWED)
    assert isinstance(waiting, asyncio.Future)
    assert (await waiting).status == 500
    assert counted(one) == (2, 2)


async def test_the_deadline_covers_the_gate(model: Model) -> None:
    """An API server that does not answer keeps nobody for ever; the verdict goes on for the next one."""
    one = predictor(model, deadline_seconds=0.05)
    gate = Pending()
    waiting = http_app(one, gate).handle(PREDICT)
    calling = GrpcApp(one, gate, lambda: False).handle(Head((MODEL + "GetModelStatus").encode()), b"")
    assert isinstance(waiting, asyncio.Future)
    assert isinstance(calling, asyncio.Future)
    answer, reply = await asyncio.wait_for(asyncio.gather(waiting, calling), 5)
    assert (answer.status, reply.code) == (504, Code.DEADLINE_EXCEEDED)
    assert one.rejected["deadline"] == 2
    assert not gate.verdict.cancelled()


async def test_the_deadline_of_a_prediction_begins_before_its_token_was_checked(slow: Model) -> None:
    """Both together have one."""
    one = predictor(slow, deadline_seconds=0.3)
    gate = Pending()
    waiting = http_app(one, gate).handle(PREDICT)
    assert isinstance(waiting, asyncio.Future)
    loop = asyncio.get_running_loop()
    began = loop.time()
    one._batch_queue._busy = one._batch_queue._workers  # no thread is free
    loop.call_later(0.2, gate.verdict.set_result, Verdict.ALLOWED)
    assert (await waiting).status == 504
    assert loop.time() - began < 0.45
    await asyncio.sleep(0)
    assert one.in_flight == 0
    one.stop()


def test_a_reply_is_none_of_the_gates_business_where_there_is_none(model: Model) -> None:
    """Nobody is refused early."""
    one = predictor(model)
    assert http_app(one).admit({}) is None
    assert GrpcApp(one, None, lambda: False).admit(Head(b"/x")) is None
    assert isinstance(GrpcApp(one, None, lambda: False).handle(Head(b"/x"), b""), Reply)


async def test_who_is_refused_for_the_moment_hears_when_to_come_again(slow: Model) -> None:
    """Whatever protocol it speaks."""
    one = predictor(slow, max_concurrency=1)
    submit(one, slow, 1)
    v2 = {"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [v]} for n, v in row().items()]}
    for request in (PREDICT, PREDICT._replace(path=b"/v2/models/cancer/infer", body=json.dumps(v2).encode())):
        answer = http_app(one).handle(request)
        refused = answer if isinstance(answer, Response) else await answer
        assert refused.status == 429
        assert b"retry-after: 1\r\n" in encode(refused)
    one.stop()


def test_every_reason_is_there_from_the_start(model: Model) -> None:
    """A counter that appears with its first event hides that one from rate()."""
    one = predictor(model)
    text = render(one, one.observer, ready=True).decode()
    assert all(f'reason="{reason}"}} 0' in text for reason in REASONS)


def test_rows_are_bounded_by_their_number_and_by_the_memory_for_bodies(model: Model) -> None:
    """Whoever allows larger bodies allows what they become, too."""
    assert predictor(model).most_rows(model) == Limits().max_rows
    usual = predictor(model, max_rows=1 << 40).most_rows(model)
    assert usual == model.decoder.rows_in(64 << 20)
    assert predictor(model, max_rows=1 << 40, max_body_bytes=64 << 20).most_rows(model) > 3 * usual
