"""OpenVINO's engine: float32 whatever the processor prefers, one thread, and each row's answer its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from ropewalk_model.engines import EngineError
from ropewalk_model.engines.openvino import CALL_BYTES, OpenVINO, load

Published = tuple[Path, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def files(published: Published) -> tuple[bytes, bytes]:
    """A published version's network and weights."""
    (network,) = published[0].glob("**/models/1/**/openvino.xml")
    return network.read_bytes(), network.with_suffix(".bin").read_bytes()


@pytest.fixture(scope="module")
def engine(files: tuple[bytes, bytes]) -> OpenVINO:
    """It, loaded."""
    return load(*files)


def rows(engine: OpenVINO, count: int) -> NDArray[np.float32]:
    """Random rows of its width."""
    width = engine._compiled.input(0).partial_shape[1].get_length()
    return np.random.default_rng(2).normal(size=(count, width)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INFERENCE_PRECISION_HINT", openvino.Type.f32),
        ("INFERENCE_NUM_THREADS", 1),
        ("NUM_STREAMS", 1),
    ],
)
def test_the_plugin_computes_as_it_is_told(engine: OpenVINO, name: str, value: Any) -> None:
    """By what the compiled network says of itself, not by what was asked for."""
    assert engine._compiled.get_property(name) == value


def test_a_batch_is_cut_at_the_bound_and_each_row_keeps_its_answer(
    engine: OpenVINO, files: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just at the bound, above it, a last call of one row, and rows that are larger than the bound."""
    calls: list[int] = []
    infer = openvino.InferRequest.infer

    def counted(self: Any, inputs: Any, *more: Any, **named: Any) -> Any:
        calls.append(len(inputs[0]))
        return infer(self, inputs, *more, **named)

    monkeypatch.setattr(openvino.InferRequest, "infer", counted)
    session = engine.session()
    for bound, count, sizes in ((CALL_BYTES, 9, [9]), (4, 9, [4, 4, 1]), (3, 9, [3, 3, 3]), (0, 3, [1, 1, 1])):
        x = rows(engine, count)
        whole = session(x)
        cut = load(*files, call_bytes=bound if bound == CALL_BYTES else bound * x[0].nbytes).session()
        calls.clear()
        assert cut(x) == pytest.approx(whole, abs=1e-6), bound
        assert calls == sizes


def test_a_batch_beyond_the_real_bound_is_answered_row_by_row(engine: OpenVINO) -> None:
    """As many rows as are cut with the server's own figure."""
    x = rows(engine, 1)
    many = np.repeat(x, CALL_BYTES // x.nbytes + 1, axis=0)
    many[-1] = rows(engine, 2)[1]
    session = engine.session()
    assert session(many)[-1] == pytest.approx(session(many[-1:])[0], abs=1e-6)
    assert session(many)[0] == pytest.approx(session(x)[0], abs=1e-6)


def test_an_answer_is_the_callers_to_keep(engine: OpenVINO) -> None:
    """A request's output tensor is written again by the next call."""
    session = engine.session()
    first, second = rows(engine, 2)
    answer = session(first[None])
    kept = answer.copy()
    session(second[None])
    assert np.array_equal(answer, kept)


@pytest.mark.parametrize("damage", ["empty", "nonsense", "half of the network", "other XML", "half of the weights"])
def test_files_that_are_no_network_are_refused(files: tuple[bytes, bytes], damage: str) -> None:
    """With an error of the engine's, in a line."""
    network, weights = files
    damaged = {
        "empty": (b"", b""),
        "nonsense": (b"nothing of the kind", b"\x00" * 8),
        "half of the network": (network[: len(network) // 2], weights),
        "other XML": (b"<net><layers/></net>", weights),
        "half of the weights": (network, weights[: len(weights) // 2]),
    }
    with pytest.raises(EngineError, match="OpenVINO cannot load the network") as caught:
        load(*damaged[damage])
    assert "\n" not in str(caught.value)
