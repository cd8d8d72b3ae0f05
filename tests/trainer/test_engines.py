"""What publish offers to servers when compilers refuse a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ropewalk_model import manifest
from ropewalk_model.engines.interface import Arrays
from ropewalk_model.features import Encoder, Encoding, FeatureSpec
from ropewalk_model.signature import Signature
from ropewalk_model.tasks import REGRESSION
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.errors import TryAgain
from ropewalk_trainer.publishing import compiled, savedmodel
from ropewalk_trainer.stages import publish
from ropewalk_trainer.tf_head import TF_HEADS
from ropewalk_trainer.training.trained_model import Trained


class Gamma:
    """A network with an operation that no compiled engine has."""

    shape = (2,)

    def apply(self, weights: Sequence[Any], x: Any) -> Any:
        tf = lazy_imports.tensorflow()
        return tf.linalg.matmul(tf.math.igamma(tf.abs(x) + 1.0, tf.abs(x) + 0.5), weights[0])


def test_the_last_rows_are_proved_singly_too() -> None:
    """The edges stand there, behind up to 10,000 test rows."""
    rows = np.arange(900, dtype=np.float32).reshape(-1, 1)

    def skewed(arrays: Arrays) -> dict[str, Any]:
        x = arrays["x"]
        return {"y": x + 1 if len(x) == 1 and x[0, 0] == 899 else x}

    assert compiled.prove(skewed, {"x": rows}, {"y": rows}).error > compiled.TOLERANCE
    assert compiled.prove(lambda arrays: {"y": arrays["x"]}, {"x": rows}, {"y": rows}).error == 0.0


class Stopped:
    """A network whose pod is told to stop while it is compiled."""

    shape = (2,)

    def __init__(self, error: Exception) -> None:
        self._error = error

    def apply(self, weights: Sequence[Any], x: Any) -> Any:
        raise self._error


@pytest.mark.parametrize("error", [TryAgain("Preempted", ""), MemoryError(), OSError(28, "no space left")])
def test_what_is_not_the_engines_fault_is_not_taken_for_a_refusal(tmp_path: Path, error: Exception) -> None:
    """Another attempt is to follow, not a version with fewer engines."""
    trained = Trained(Stopped(error), [], TF_HEADS[REGRESSION])  # type: ignore[arg-type]
    (tmp_path / manifest.COMPILED).mkdir(parents=True)
    rows = np.zeros((1, 2), dtype=np.float32)
    with pytest.raises(type(error)):
        publish._engines(trained, {"x": rows}, {"y": rows[:, :1]}, tmp_path)


def test_a_network_that_no_compiler_takes_is_left_to_tensorflow(tmp_path: Path) -> None:
    """With its latency and memory, and nothing left of the attempts."""
    weights = [np.array([[1.0], [2.0]], dtype=np.float32)]
    trained = Trained(Gamma(), weights, TF_HEADS[REGRESSION])  # type: ignore[arg-type]
    features = [FeatureSpec(name, "Number") for name in ("a", "b")]
    encoder = Encoder([Encoding(one, mean=0.0, scale=1.0) for one in features])
    (tmp_path / manifest.COMPILED).mkdir(parents=True)
    signature = Signature.for_task("Regression", [one.tensor for one in features])
    savedmodel.write(trained, encoder, signature, tmp_path)
    rows = np.random.default_rng(7).normal(size=(300, 2)).astype(np.float32)
    engines, loaded = publish._engines(trained, {"x": rows}, {"y": trained.predict(rows)}, tmp_path)
    assert [one["name"] for one in engines] == ["TensorFlow"]
    assert engines[0]["file"] == "saved_model.pb"
    assert set(engines[0]["latencyMicros"]) == {"1", "256"}
    assert loaded > 0
    assert list((tmp_path / manifest.COMPILED).iterdir()) == []
