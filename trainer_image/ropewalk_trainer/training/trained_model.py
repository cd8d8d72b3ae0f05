"""A network with its learnt weights: what Evaluate asks, what Publish compiles and saves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_trainer import lazy_imports
from ropewalk_trainer.templates.layers import Network, Weights
from ropewalk_trainer.tf_head.base import TfHead

ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Trained:
    """`scale` is (mean, deviation) of a regression's labels, which the network gives standardised."""

    network: Network
    weights: Weights
    head: TfHead
    scale: tuple[float, float] = (0.0, 1.0)

    def answer(self, weights: Sequence[Any], x: Any) -> Any:
        """Encoded rows to probabilities, or to values in the label's unit: the core graph of every engine."""
        return self.head.core(lazy_imports.tensorflow(), self.network.apply(weights, x), self.scale)

    @cached_property
    def core(self) -> Any:
        """The core as a tf.function, its weights constants: compilers take it as it stands."""
        tf = lazy_imports.tensorflow()
        constants = [tf.constant(one) for one in self.weights]
        entry = tf.TensorSpec([None, *self.network.shape], tf.float32, name="x")
        return tf.function(lambda x: self.answer(constants, x), input_signature=[entry], autograph=False)

    def predict(self, encoded: NDArray[np.float32]) -> NDArray[np.float32]:
        """The core's answers, in batches that fit into memory."""
        starts = range(0, len(encoded), ROWS_AT_ONCE)
        return np.concatenate([self.core(encoded[start : start + ROWS_AT_ONCE]).numpy() for start in starts])
