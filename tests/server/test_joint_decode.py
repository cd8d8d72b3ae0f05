"""Requests of one turn: each gets what it would have got alone, and is counted so, whoever it came with."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk_server.auth.credentials import Verdict
from ropewalk_server.protocols.tfserving import joint_decode
from ropewalk_server.serving.batch_policy import BOUNDED, OFF, BatchPolicy
from ropewalk_server.serving.crashmarks import CrashMarks
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.routes import Route
from ropewalk_server.serving.types import REST_V1
from ropewalk_server.serving.versions import Held
from ropewalk_server.telemetry.receipts import RECEIPT, Receipts
from ropewalk_server.telemetry.recorder import Recorder
from ropewalk_server.transport.http1.types import Request, Response
from ropewalk_server.transport.limits import Limits
from tests.server import zoo
from tests.server.apps import Versions, http_app, load
from tests.server.pictures import png

PATH = b"/v1/models/zoo:predict"
ROWS: dict[int, Any] = {
    zoo.MIXED: {"x": 1.5, "n": 2, "ok": True, "plan": "free"},
    zoo.IMAGE: [[[1], [2], [3], [4]]] * 4,
    zoo.TENSOR: [0.5, -1, 2.25, 1e-3, 4, 5, 6, 7, 8, 9],
    zoo.NUMBERS: {"a": 1.5, "b": -2},
}
OTHERS = [
    b"", b"[]", b"{", b'{"instances":[]}', b'{"instances":{}}', b'{"instances":"x"}',
    b'{"instances":[1],"instances":[2]}',
    b'{"instances":[{"a":1,"b":2,"a":3}]}', b'{"instances":[{"a":1e39,"b":2}]}', b'{"instances":[{"a":NaN,"b":2}]}',
    b'{"instances":[[1e39,0,0,0,0,0,0,0,0,0]]}', b'{"instances":[[true,0,0,0,0,0,0,0,0,0]]}',
    b'{"instances":[[7.2e16,0,0,0,0,0,0,0,0,0]]}', b'{"instances":[[1,2],[3]]}', b'{"inputs":{"a":[1],"b":[2]}}',
    b'{"instances":[{"a":1,"b":2}],"signature_name":"serving_default"}', b'{"instances":[{"a":1,"b":2}],"x":1}',
    b'{"instances":[{"x":1,"n":1,"ok":false,"plan":"gold","note":null}]}',
    b'{"instances":[{"x":1,"n":1,"ok":1,"plan":"a"}]}',
    b'{"instances":[{"b64":"AAAA"}]}', b'{"instances":[[[[1]]]]}', b'{"instances":[null]}', b'{"instances":[{}]}',
    b'{"instances":[{"a":1,"b":2}]},{"instances":[{"a":1,"b":2}]}', b'"',
    b'{"instances":[{"a":1,"b":3.4028235677973366e38}]}',
]  # fmt: skip


class World:
    """A server's handlers over the zoo, with one of its versions live and nothing counted yet."""

    def __init__(self, held: dict[int, Held], live: int, root: Path) -> None:
        versions = Versions(pod="zoo", root=root, marks=CrashMarks(root / "state"))
        versions.held, versions.live = held, live
        self.predictor = Predictor("zoo", versions, Recorder(), Receipts(b"a key of more than 16 bytes"))
        self.predictor.limits = Limits(max_rows=40)
        self.service = http_app(self.predictor)

    def counts(self) -> tuple[dict[int, int], int, int]:
        """Answers by status, rows, and rows in the histogram of predictions."""
        monitor, live = self.predictor.observer, self.predictor.versions.live or 0
        monitor.settle()
        found = monitor.totals.get(live)
        if found is None:
            return {}, 0, 0
        counted = monitor.counted(live, found)
        codes = {status: count for status, count in found.codes[REST_V1].items() if count}
        return codes, found.rows, int(counted.predictions[1].sum())


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[int, Held], Path]:
    """All versions of the zoo, loaded."""
    root = tmp_path_factory.mktemp("zoo")
    found = {}
    for told in zoo.write(root):
        number = told["version"]
        model = load(root / "claims" / told["uri"].removeprefix("pvc://"), told["manifestDigest"])
        route = Route(number, "", told["manifestDigest"], told["digest"])
        found[number] = Held(route, "Auto", "Proved", model=model)
    return found, root


def post(body: bytes, path: bytes = PATH, **headers: bytes) -> Request:
    """A request for predictions."""
    return Request(b"POST", path, body, {name.encode(): value for name, value in headers.items()})


def bodies(version: int) -> st.SearchStrategy[bytes]:
    """Mostly rows as they should be, few or many, with other values in them; else one of OTHERS."""

    def of(count: int, pad: int) -> bytes:
        return json.dumps({"instances": [ROWS[version]] * count}).encode() + b" " * pad

    good = st.builds(of, st.integers(1, 45), st.sampled_from([0, 0, 600]))
    return st.one_of(good, good, st.sampled_from(OTHERS))


def alike(one: Response, other: Response) -> bool:
    """The same but for the last digits, which depend on the number of rows in a call."""
    if one.status != 200 or other.status != 200:
        return one == other
    if [name for name, _ in one.headers] != [name for name, _ in other.headers]:
        return False
    return same(json.loads(one.body), json.loads(other.body))


def same(one: Any, other: Any) -> bool:
    """Equal, numbers to six digits."""
    if isinstance(one, float):
        return bool(np.isclose(one, other, rtol=1e-5, atol=1e-6))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(same, one.values(), other.values()))
    return bool(one == other)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_each_gets_what_it_would_have_got_alone(held: tuple[dict[int, Held], Path], data: st.DataObject) -> None:
    version = data.draw(st.sampled_from(sorted(ROWS)))
    asked = [post(body) for body in data.draw(st.lists(bodies(version), min_size=2, max_size=12))]

    async def ask() -> None:
        joined, alone = World(held[0], version, held[1]), World(held[0], version, held[1])
        answers = joined.service.together(asked)
        for request, answer in zip(asked, answers, strict=True):
            expected = alone.service.handle(request)
            one = answer if isinstance(answer, Response) else await answer
            other = expected if isinstance(expected, Response) else await expected
            assert alike(one, other), (request.body, one, other)
        assert joined.counts() == alone.counts()

    asyncio.run(ask())


def test_what_is_plain_is_computed_in_one_call(held: tuple[dict[int, Held], Path]) -> None:
    """Or all of this would be for nothing."""
    for version, row in ROWS.items():
        world = World(held[0], version, held[1])
        calls: list[int] = []
        model = held[0][version].model
        assert model is not None
        predict = model.predict
        model.predict = lambda batch, predict=predict, calls=calls: calls.append(batch.rows) or predict(batch)  # type: ignore[method-assign, func-returns-value, misc]
        try:
            answers = world.service.together([post(json.dumps({"instances": [row] * n}).encode()) for n in (1, 2, 3)])
        finally:
            model.predict = predict  # type: ignore[method-assign]
        assert calls == [6]
        assert [len(json.loads(one.body)["predictions"]) for one in answers if isinstance(one, Response)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("batching", "expected"),
    [(BatchPolicy(OFF), [1, 2, 3]), (BatchPolicy(BOUNDED, 3), [3, 3]), (BatchPolicy(BOUNDED, 2), [1, 2, 3])],
)
def test_what_may_be_computed_together_follows_the_deployment(
    held: tuple[dict[int, Held], Path], batching: BatchPolicy, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests of 1, 2 and 3 rows."""
    world = World(held[0], zoo.NUMBERS, held[1])
    world.predictor.batch_as(batching)
    calls: list[int] = []
    model = held[0][zoo.NUMBERS].model
    assert model is not None
    predict = model.predict
    monkeypatch.setattr(model, "predict", lambda batch: calls.append(batch.rows) or predict(batch))  # type: ignore[func-returns-value]
    asked = [post(json.dumps({"instances": [ROWS[zoo.NUMBERS]] * n}).encode()) for n in (1, 2, 3)]
    answers = [one for one in world.service.together(asked) if isinstance(one, Response)]
    assert [len(json.loads(one.body)["predictions"]) for one in answers] == [1, 2, 3]
    assert calls == expected


def test_a_row_that_is_wrong_costs_its_own_request_alone(held: tuple[dict[int, Held], Path]) -> None:
    """Whoever sends one with every turn must not bring all others back to one by one."""
    world = World(held[0], zoo.MIXED, held[1])
    good = json.dumps({"instances": [ROWS[zoo.MIXED]] * 2}).encode()
    wrong = json.dumps({"instances": [{**ROWS[zoo.MIXED], "n": "two"}]}).encode()
    found = world.predictor.find(None)
    assert found is not None
    assert joint_decode.read(found.model.decoder, [good, wrong, good], 40, 1000).counts == [2, 0, 2]
    answers = world.service.together([post(body) for body in (good, wrong, good)])
    assert [one.status for one in answers if isinstance(one, Response)] == [200, 400, 200]


def test_pictures_go_together_as_far_as_the_loop_may_unpack_them(held: tuple[dict[int, Held], Path]) -> None:
    """A few too many are no reason to unpack each alone; a PNG takes some 40 us at least."""

    async def ask() -> None:
        world = World(held[0], zoo.IMAGE, held[1])
        found = world.predictor.find(None)
        assert found is not None
        file = base64.b64encode(png(np.arange(16, dtype=np.uint8).reshape(4, 4))).decode()
        body = json.dumps({"instances": [{"b64": file}]}).encode()
        counts = joint_decode.read(found.model.decoder, [body] * 1000, 40, 1000).counts
        assert 8 < len(counts) < 1000
        assert set(counts) == {1}
        answers = world.service.together([post(body)] * 1000)
        assert [one.status for one in answers if isinstance(one, Response)] == [200] * 1000
        assert world.counts() == ({200: 1000}, 1000, 1000)

    asyncio.run(ask())


def test_not_more_is_parsed_at_a_time_than_memory_is_meant_for_it(held: tuple[dict[int, Held], Path]) -> None:
    """As objects a body may be thirty times as large as it came."""
    for version in (zoo.MIXED, zoo.TENSOR):
        world = World(held[0], version, held[1])
        found = world.predictor.find(None)
        assert found is not None
        body = json.dumps({"instances": [ROWS[version]]}).encode() + b" " * 16_000
        counts = joint_decode.read(found.model.decoder, [body] * 1000, 40, 1000).counts
        assert 1 < len(counts) * len(body) <= joint_decode.MOST_BYTES
        assert len(joint_decode.read(found.model.decoder, [body] * 1000, 40, 5).counts) == 5


def test_many_rows_are_computed_in_calls_that_are_bounded(held: tuple[dict[int, Held], Path]) -> None:
    """However many requests come in one turn; what is held of them is bounded too."""
    world = World(held[0], zoo.NUMBERS, held[1])
    found = world.predictor.find(None)
    assert found is not None
    most = world.predictor.most_together(found.model)
    body = json.dumps({"instances": [ROWS[zoo.NUMBERS]] * 40}).encode()
    answers = world.service.together([post(body)] * (most // 10))
    assert [len(json.loads(one.body)["predictions"]) for one in answers if isinstance(one, Response)] == [40] * (
        most // 10
    )
    assert world.counts()[0] == {200: most // 10}


def test_each_row_has_its_receipt(held: tuple[dict[int, Held], Path]) -> None:
    """A receipt is bound to what its own request was answered."""
    world = World(held[0], zoo.MIXED, held[1])
    rows = [{**ROWS[zoo.MIXED], "x": float(x), "n": n} for x in (-9, 9) for n in (-5, 5)]
    answers = world.service.together([post(json.dumps({"instances": [one]}).encode()) for one in rows])
    digest = held[0][zoo.MIXED].route.manifest_digest
    assert digest is not None
    labels = set()
    for answer in answers:
        assert isinstance(answer, Response)
        receipt = world.predictor.receipts.read(
            dict(answer.headers)[RECEIPT].decode(), {zoo.MIXED: bytes.fromhex(digest.removeprefix("sha256:"))}
        )
        labels.add(zoo.CLASSES[receipt.predicted])
        assert json.loads(answer.body)["predictions"][0]["label"] == zoo.CLASSES[receipt.predicted]
    assert len(labels) > 1, "rows that are told apart"


def test_strangers_are_refused_beside_friends(held: tuple[dict[int, Held], Path]) -> None:
    """Whom a gate lets in decides each request by itself."""

    class Friends:
        def ask(self, authorization: bytes | None) -> Verdict:
            return Verdict.ALLOWED if authorization == b"friend" else Verdict.UNKNOWN

    world = World(held[0], zoo.NUMBERS, held[1])
    service = http_app(world.predictor, Friends())  # type: ignore[arg-type]
    body = json.dumps({"instances": [ROWS[zoo.NUMBERS]]}).encode()
    asked = [post(body, authorization=b"friend"), post(body), post(body, authorization=b"friend")]
    answers = [one for one in service.together(asked) if isinstance(one, Response)]
    assert [one.status for one in answers] == [200, 401, 200]


def test_the_gate_is_asked_once_for_a_request(held: tuple[dict[int, Held], Path]) -> None:
    """Whether it lets it in, refuses it or does not know yet, and whether the request can be answered with others."""
    asked: list[bytes | None] = []

    async def ask() -> None:
        unknown: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        verdicts = {b"friend": Verdict.ALLOWED, b"nobody": Verdict.FORBIDDEN, b"new": unknown}

        class Asked:
            def ask(self, authorization: bytes | None) -> Verdict | asyncio.Future[Verdict]:
                asked.append(authorization)
                return Verdict.UNKNOWN if authorization is None else verdicts[authorization]

        world = World(held[0], zoo.NUMBERS, held[1])
        service = http_app(world.predictor, Asked())  # type: ignore[arg-type]
        body = json.dumps({"instances": [ROWS[zoo.NUMBERS]]}).encode()
        names = [b"friend", b"nobody", b"new", b"friend", b"friend"]
        requests = [post(body, authorization=name) for name in names] + [post(body)] * 2
        requests[3] = requests[3]._replace(body=b"[]")  # for itself alone
        requests[4] = requests[4]._replace(path=b"/v1/models/zoo", method=b"GET")
        answers = service.together(requests)
        assert sorted(map(str, asked)) == sorted(map(str, [*names, None, None]))
        unknown.set_result(Verdict.ALLOWED)
        responses = [one if isinstance(one, Response) else await one for one in answers]
        assert [one.status for one in responses] == [200, 403, 200, 400, 200, 401, 401]
        rejected = {reason: count for reason, count in world.predictor.rejected.items() if count}
        assert rejected == {"unauthorized": 2, "forbidden": 1}
        assert len(asked) == len(requests)

    asyncio.run(ask())


def test_a_trace_goes_back_to_its_caller_alone(held: tuple[dict[int, Held], Path]) -> None:
    world = World(held[0], zoo.NUMBERS, held[1])
    body = json.dumps({"instances": [ROWS[zoo.NUMBERS]]}).encode()
    trace = b"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    asked = [post(body), post(body, traceparent=trace), post(body, path=b"/v1/models/other:predict")]
    answers = [one for one in world.service.together(asked) if isinstance(one, Response)]
    assert [one.status for one in answers] == [200, 200, 404]
    assert [b"traceresponse" in dict(one.headers) for one in answers] == [False, True, False]
