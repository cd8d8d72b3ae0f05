"""Four threads on one version: every answer is exact, and what an engine cannot share belongs to one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.model import Model
from tests.server.apps import load
from tests.server.conftest import row

Published = tuple[Path, list[dict[str, Any]]]
THREADS, CALLS = 4, 300
SIZES = (1, 1, 7, 40)
"""Rows of each thread's calls: two ask for one row, which is the path of most requests."""


def together(*works: Callable[[], None]) -> None:
    """Run each in a thread of its own, all from the same moment on; what one raises is raised."""
    start = threading.Barrier(len(works))
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def loaded(published: Published, engine: str) -> Model:
    """A published version on that engine."""
    return load(published[0] / "claims" / published[1][0]["uri"].removeprefix("pvc://"), None, engine)


def batch(model: Model, index: int) -> Batch:
    """The rows of one thread, like nobody else's."""
    instances = [row(mean_radius=8.0 + index + at / 64) for at in range(SIZES[index])]
    return model.decoder.decode({"instances": instances}, None)[0]


@pytest.mark.parametrize("engine", ["LiteRT", "OpenVINO", "ONNXRuntime"])
def test_each_thread_gets_its_own_answers(published: Published, engine: str) -> None:
    """To the last bit those of one thread alone."""
    model = loaded(published, engine)
    assert model.engine_name == engine
    batches = [batch(model, index) for index in range(THREADS)]
    expected = [model.predict(one) for one in batches]
    wrong: list[int] = []

    def asking(index: int) -> Callable[[], None]:
        def work() -> None:
            answers = [model.predict(batches[index]) for _ in range(CALLS)]
            wrong.extend(index for answer in answers if not np.array_equal(answer, expected[index]))

        return work

    together(*(asking(index) for index in range(THREADS)))
    assert wrong == []
    assert len({one.tobytes() for one in expected}) == THREADS, "answers that are told apart"


@pytest.mark.parametrize(
    ("engine", "kind", "call"), [("LiteRT", Interpreter, "invoke"), ("OpenVINO", openvino.InferRequest, "infer")]
)
def test_no_interpreter_is_called_by_two_threads(
    published: Published, engine: str, kind: type, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor by the thread that loaded the version and one that predicts."""
    callers: dict[int, set[int]] = {}
    alive: list[Any] = []
    real = getattr(kind, call)

    def seen(self: Any, *given: Any, **named: Any) -> Any:
        alive.append(self)  # so that no other has its id
        callers.setdefault(id(self), set()).add(threading.get_ident())
        return real(self, *given, **named)

    monkeypatch.setattr(kind, call, seen)
    model = loaded(published, engine)
    answers: list[NDArray[np.float32]] = []
    together(*[lambda: answers.append(model.predict(batch(model, 0)))] * THREADS)
    assert len(answers) == THREADS
    assert len(callers) > THREADS
    assert all(len(threads) == 1 for threads in callers.values())
