"""A BentoML service with adaptive batching, as its page on TensorFlow-like models shows it."""

from __future__ import annotations

import bentoml
import engine
import numpy as np


@bentoml.service(workers=1)
class Network:
    """The model."""

    def __init__(self) -> None:
        self.predict_rows = engine.load()

    @bentoml.api(batchable=True, max_batch_size=1000)
    def predict(self, instances: np.ndarray) -> np.ndarray:
        """Probabilities of the rows."""
        return self.predict_rows(instances.astype(np.float32))
