"""Every peer of the comparison: how it is started and asked. Its requirements and its app are in `peers/PEER/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ENGINES = ("tensorflow", "litert")
"""The SavedModel's signature, as the peers' documents show it; or the engine that we use, to compare servers alone."""


@dataclass(frozen=True)
class Setup:
    """A peer as its documents recommend it.

    `command` and `environment` may name {python}, {http}, {grpc}, {spare} (a list of ports), {model}, {folder} (the
    app's) and {home} (one of the start's own).
    """

    name: str
    peer: str
    settings: str
    command: str
    path: str = "/predict"
    open_inference: bool = False
    grpc: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


SETUPS = (
    Setup(
        name="FastAPI",
        peer="fastapi",
        settings="typed pydantic request and answer, plain `def` endpoint (thread pool), uvicorn with 2 workers on "
        "uvloop and httptools, access log to a file",
        command="uvicorn app:app --host 127.0.0.1 --port {http} --workers 2",
    ),
    Setup(
        name="KServe v1",
        peer="kserve",
        settings="custom `kserve.Model` with a synchronous `predict`, `ModelServer` as by default: 1 worker (2 restart "
        "for ever where TensorFlow takes long to import), gRPC on, latency log to a file; `instances` in nested rows",
        command="{python} app.py --http_port {http} --grpc_port {grpc}",
        path="/v1/models/{model}:predict",
    ),
    Setup(
        name="KServe v2",
        peer="kserve",
        settings="the same, asked in the open inference protocol",
        command="{python} app.py --http_port {http} --grpc_port {grpc}",
        path="/v2/models/{model}/infer",
        open_inference=True,
        grpc=True,
    ),
    Setup(
        name="MLServer",
        peer="mlserver",
        settings="custom `MLModel` runtime with NumpyCodec, one inference process beside the HTTP process and no "
        "adaptive batching as by default, `debug` false as for production; uvloop below 0.22, without which 1.7.1 "
        "restarts for ever",
        command="mlserver start {folder}",
        path="/v2/models/{model}/infer",
        open_inference=True,
        grpc=True,
        environment={
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": "{http}",
            "MLSERVER_GRPC_PORT": "{grpc}",
            "MLSERVER_METRICS_PORT": "{spare[0]}",
            "MLSERVER_DEBUG": "false",
            "MLSERVER_METRICS_DIR": "{home}/metrics",
            "MLSERVER_ENVIRONMENTS_DIR": "{home}/environments",
            "MLSERVER_MODEL_NAME": "{model}",
            "MLSERVER_MODEL_IMPLEMENTATION": "app.Network",
        },
    ),
    Setup(
        name="BentoML",
        peer="bentoml",
        settings="`@bentoml.service` with typed arrays, adaptive batching with `max_batch_size` 1000 (rows) and the "
        "default `max_latency_ms`, 1 worker as by default, access log to a file",
        command="bentoml serve app:Network --host 127.0.0.1 --port {http}",
        environment={"BENTOML_HOME": "{home}/bentoml", "BENTOML_DO_NOT_TRACK": "True"},
    ),
    Setup(
        name="LitServe",
        peer="litserve",
        settings="one worker process as by default, `max_batch_size` 16 (requests), `batch_timeout` 0.01 s, own "
        "`batch` and `unbatch` for several rows a request",
        command="{python} app.py",
        environment={"BENCH_HTTP": "{http}"},
    ),
    Setup(
        name="Ray Serve",
        peer="ray",
        settings="one replica as by default, `@serve.batch` with its defaults (10 requests, 0.01 s), "
        "`max_ongoing_requests` 100 (Ray warns that its default of 5 starves the batcher), no dashboard",
        command="{python} app.py",
        environment={
            "BENCH_HTTP": "{http}",
            "BENCH_RAY_FOLDER": "{home}/ray",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
        },
    ),
)
