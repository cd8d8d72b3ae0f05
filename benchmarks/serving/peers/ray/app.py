"""A Ray Serve deployment with dynamic batching, one replica, on a cluster of this process."""

from __future__ import annotations

import os
import signal
from typing import Any

import engine
import numpy as np
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=100)
class Network:
    """The model."""

    def __init__(self) -> None:
        self.predict_rows = engine.load()

    @serve.batch
    async def predict(self, requests: list[Any]) -> list[Any]:
        """Probabilities of several requests at once."""
        ends = list(np.cumsum([len(rows) for rows in requests])[:-1])
        return [part.tolist() for part in np.split(self.predict_rows(np.concatenate(requests)), ends)]

    async def __call__(self, request: Request) -> Any:
        """One request."""
        rows = np.asarray((await request.json())["instances"], dtype=np.float32)
        return {"predictions": await self.predict(rows)}


if __name__ == "__main__":
    given = {name: value for name, value in os.environ.items() if name.startswith(("BENCH_", "PYTHONPATH"))}
    ray.init(
        address="local",
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=os.environ["BENCH_RAY_FOLDER"],
        runtime_env={"env_vars": given},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["BENCH_HTTP"])})
    serve.run(Network.bind(), route_prefix="/predict")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
