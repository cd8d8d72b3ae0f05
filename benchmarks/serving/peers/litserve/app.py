"""A LitServe API with batching; a request may have several rows, so batch and unbatch are our own."""

from __future__ import annotations

import os
from typing import Any

import engine
import litserve as ls
import numpy as np


class Network(ls.LitAPI):
    """The model."""

    def setup(self, device: Any) -> None:
        """Load the network."""
        self.predict_rows = engine.load()

    def decode_request(self, request):  # an annotation would become FastAPI's: a query parameter
        """The rows of a request."""
        return np.asarray(request["instances"], dtype=np.float32)

    def batch(self, inputs: list[Any]) -> tuple[Any, list[int]]:
        """The rows of all requests, and where each one ends."""
        return np.concatenate(inputs), list(np.cumsum([len(rows) for rows in inputs])[:-1])

    def predict(self, batch: tuple[Any, list[int]]) -> tuple[Any, list[int]]:
        """Probabilities of all."""
        return self.predict_rows(batch[0]), batch[1]

    def unbatch(self, output: tuple[Any, list[int]]) -> list[Any]:
        """Probabilities by request."""
        return np.split(*output)

    def encode_response(self, output: Any) -> Any:
        """The answer."""
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    api = Network(max_batch_size=16, batch_timeout=0.01)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(os.environ["BENCH_HTTP"]), generate_client_file=False)
