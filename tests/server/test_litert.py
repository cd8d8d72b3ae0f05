"""LiteRT's session: however a batch is cut into calls, each row's answer is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ropewalk_model import manifest
from ropewalk_model.engines import EngineError
from ropewalk_model.engines.litert import SIZES, call_size, load


@pytest.mark.parametrize(
    ("left", "calls"),
    [
        (1, [1]),
        (2, [8]),
        (8, [8]),
        (9, [8, 1]),
        (10, [16]),
        (20, [32]),
        (33, [32, 1]),
        (100, [128]),
        (70, [64, 8]),
        (232, [256]),
        (1000, [1024]),
        (1300, [1024, 256, 32]),
    ],
)
def test_a_batch_is_cut_into_few_calls_that_are_nearly_full(left: int, calls: list[int]) -> None:
    found = []
    while left > 0:
        found.append(call_size(left, SIZES))
        left -= found[-1]
    assert found == calls


def test_a_network_whose_tensors_are_large_gets_small_calls() -> None:
    assert call_size(1000, (8, 1)) == 8


def test_each_row_is_answered_as_if_it_were_alone(published: tuple[Path, list[dict[str, Any]]]) -> None:
    root, _ = published
    (file,) = root.glob(f"**/models/1/{manifest.COMPILED}/litert.tflite")
    engine = load(file.read_bytes())
    width = int(engine._interpreter(1).get_input_details()[0]["shape"][1])
    rows = np.random.default_rng(1).normal(size=(1300, width)).astype(np.float32)
    session = engine.session()
    alone = np.concatenate([session(row[None]) for row in rows])

    for count in (2, 7, 8, 9, 33, 200, 1000, 1300):
        assert session(rows[:count]) == pytest.approx(alone[:count], abs=1e-6), count


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "litert.tflite").write_bytes(b"nothing of the kind")
    with pytest.raises(EngineError, match="LiteRT cannot load"):
        load((tmp_path / "litert.tflite").read_bytes())
