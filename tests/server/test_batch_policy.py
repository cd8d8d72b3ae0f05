"""Whether requests are computed together is told by what calls cost on this processor, measured at loading."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ropewalk_model.features import FeatureSpec
from ropewalk_model.signature import Signature, TensorSpec
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.batch_queue import BatchQueue
from ropewalk_server.serving.model import Curve, Model
from ropewalk_trainer import lazy_imports
from tests import foreign_models
from tests.server.apps import load
from tests.server.zoo import version
from tests.trainer.imports import imported

WIDTH, REQUESTS = 2048, 64
NARROW, WIDE = 1, 2


def wide(x: Any) -> Any:
    """32 MB of weights that every call has to read, for one row as for many; 16 million products a row."""
    tf = lazy_imports.tensorflow()
    random = np.random.default_rng(4)
    for rows, columns in ((10, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, 3)):
        x = tf.linalg.matmul(x, tf.constant(random.normal(size=(rows, columns)).astype(np.float32) / rows**0.5))
    return x


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Model]:
    """Two networks of the same tensors, as they are loaded."""
    root = tmp_path_factory.mktemp("adaptive")
    feature = FeatureSpec("x", "Tensor", shape=(10,))
    signature = Signature.for_tensor(feature.tensor, TensorSpec("y", "FLOAT", (-1, 3)))
    found = {}
    for number, core in ((NARROW, None), (WIDE, wide)):
        told = version(root, number, [feature], signature, core)
        found[number] = load(root / "claims" / told["uri"].removeprefix("pvc://"), told["manifestDigest"])
    return found


def requests(model: Model) -> list[Batch]:
    """Rows that differ, one a request."""
    rows = np.random.default_rng(5).normal(size=(REQUESTS, 10)).round(3).tolist()
    return [model.decoder.decode({"instances": [one]}, 1)[0] for one in rows]


async def computed(model: Model, batch_queue: BatchQueue) -> list[int]:
    """The rows of each call for requests that come together; every one gets its own answer."""
    asked = requests(model)
    jobs = [batch_queue.submit(model, one) for one in asked]
    answers = await asyncio.gather(*(job.future for job in jobs))
    for one, answer in zip(asked, answers, strict=True):
        assert np.allclose(answer, model.predict(one), atol=1e-4)
    return [job.computed for job in jobs if job.computed]


async def test_a_network_of_which_a_call_costs_much_is_asked_for_many_at_once(
    models: dict[int, Model], batch_queue: BatchQueue
) -> None:
    """Its curve says so: 64 rows together are far cheaper than 64 alone."""
    model = models[WIDE]
    assert model.curve.micros(REQUESTS) < REQUESTS * model.curve.micros(1) / 2, model.curve
    assert model.batches
    calls = await computed(model, batch_queue)
    assert sum(calls) == REQUESTS
    assert max(calls) > 1


async def test_a_network_of_which_rows_cost_what_they_cost_is_asked_for_each_alone(
    models: dict[int, Model], batch_queue: BatchQueue
) -> None:
    """The way through a common call would cost more than it saves."""
    model = models[NARROW]
    assert not model.batches, model.curve
    assert await computed(model, batch_queue) == [1] * REQUESTS


async def test_the_curve_decides_and_nothing_else(models: dict[int, Model], batch_queue: BatchQueue) -> None:
    """The same network with the other's measurement is asked as the other is."""
    model = models[WIDE]
    measured, model.curve = model.curve, models[NARROW].curve
    try:
        assert await computed(model, batch_queue) == [1] * REQUESTS
    finally:
        model.curve = measured


async def test_signatures_of_any_tensors_are_asked_for_each_request_alone(
    tmp_path: Path, batch_queue: BatchQueue
) -> None:
    """Whatever a call costs: these requests differ in a size that the signature leaves open."""
    told = imported(tmp_path, foreign_models.several)
    model = load(tmp_path / "claims" / told["uri"].removeprefix("pvc://"), told["manifestDigest"]).named["total"]
    model.curve = Curve(1e6, 0.0)
    inputs = [[[1.0, 2.0]], [[1.0, 2.0, 3.0]] * 2, [[4.0]]]
    asked = [model.decoder.decode({"inputs": one}, 10)[0] for one in inputs]
    jobs = [batch_queue.submit(model, one) for one in asked]
    assert all(job.alone for job in jobs), "not only after a common call has failed"
    answers: list[Any] = await asyncio.gather(*(job.future for job in jobs))
    assert [answer["total"].tolist() for answer in answers] == [[3.0], [6.0, 6.0], [4.0]]
    assert [job.computed for job in jobs] == [1, 2, 1]
