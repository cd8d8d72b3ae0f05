"""Servers started, checked and ended: ours, a peer, nginx."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving import forms, models, tools, wrk
from benchmarks.serving.process import Process, free_ports
from benchmarks.serving.setups import Setup
from ropewalk_model import manifest

START_SECONDS = 120.0
TOLERANCE = 1e-4
NGINX = """
daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; return 200 '{body}'; }} }}
}}
"""


class ServerError(Exception):
    """A server does not start or answers wrongly."""


@dataclass(frozen=True)
class Server:
    """A server that answers. `first_answer` is seconds from its process' start to its first right prediction."""

    name: str
    process: Process
    http: int
    grpc: int
    path: str
    open_inference: bool = False
    first_answer: float = float("nan")

    def body(self, model: str, rows: int) -> bytes:
        """A request in the form that this server takes."""
        return forms.open_inference(model, rows) if self.open_inference else models.body(model, rows)

    def post(
        self, body: bytes, path: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own. Raises OSError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)
        try:
            connection.request("POST", path or self.path, body, headers or forms.JSON)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(repr(error)) from error
        finally:
            connection.close()

    def load(
        self,
        body: bytes,
        seconds: float,
        connections: int = 16,
        path: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> wrk.Sample:
        """A closed load; then one request more, whose answer shows that none of the load's own is left in a queue."""
        url = f"http://127.0.0.1:{self.http}{path or self.path}"
        sample = wrk.load(url, body, headers or forms.JSON, seconds=seconds, connections=connections)
        with contextlib.suppress(OSError):
            self.post(body, path, headers)
        return sample


def load_all(servers: Sequence[Server], body: bytes, seconds: float, connections: int) -> wrk.Sample:
    """A closed load on replicas, its connections shared among them; rates added, the slowest one's latencies."""
    each = max(1, connections // len(servers))
    with ThreadPoolExecutor(len(servers)) as pool:
        samples = list(pool.map(lambda server: server.load(body, seconds, each), servers))
    return wrk.Sample(
        rate=sum(one.rate for one in samples),
        p50=max(one.p50 for one in samples),
        p99=max(one.p99 for one in samples),
        failed=sum(one.failed for one in samples),
        answered=sum(one.answered for one in samples),
    )


class Bench:
    """The run's folder with both networks in both forms."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    def write_models(self) -> None:
        """In a process of its own: TensorFlow's threads and memory would stay in this one."""
        program = (
            "import sys, pathlib; from benchmarks.serving import models\n"
            "for name in models.CLASSES: models.write(name, pathlib.Path(sys.argv[1], name))"
        )
        for name in models.CLASSES:
            (self.folder / name).mkdir()
        making = Process(
            [sys.executable, "-c", program, str(self.folder)], dict(os.environ), self.folder / "models.log"
        )
        while not making.ended:
            time.sleep(0.1)
        making.stop()
        if not all((self.folder / name / "version" / manifest.MANIFEST).exists() for name in models.CLASSES):
            raise ServerError(f"the models cannot be made: {_end(self.folder / 'models.log')}")

    def tflite(self, model: str) -> Path:
        """The network compiled for LiteRT."""
        return self.folder / model / "version" / manifest.COMPILED / "litert.tflite"

    @contextlib.contextmanager
    def ours(self, model: str, *, switched: bool = False, **routes: Any) -> Iterator[Server]:
        """Our server with that model live; `routes` replace parts of its routes file; `switched`: see that module."""
        home = self._home()
        for name in ("routes", "state"):
            (home / name).mkdir()
        version = self.folder / model / "version"
        found = manifest.read_manifest(version, None)
        listed = {"version": 1, "path": str(version), "manifestDigest": found.digest, "digest": found.model_digest}
        document = {"formatVersion": 1, "revision": 1, "live": 1, "pilot": None, "versions": [listed]}
        document |= {"bucketSeconds": 60, "engine": "Auto", "limits": {}, **routes}
        (home / "routes" / "routes.json").write_text(json.dumps(document))
        http_port, monitoring, grpc = free_ports(3)
        environment = {
            **os.environ,
            "ROPEWALK_ROOT": str(home),
            "ROPEWALK_MODEL": model,
            "ROPEWALK_HTTP_PORT": str(http_port),
            "ROPEWALK_MONITORING_PORT": str(monitoring),
            "ROPEWALK_GRPC_PORT": str(grpc),
            "ROPEWALK_LEAVE_SECONDS": "0",
        }
        program = ["-m", "benchmarks.serving.switched" if switched else "ropewalk_server.app.main"]
        process = Process([sys.executable, *program, "serve"], environment, home / "log")
        server = Server("Ropewalk", process, http_port, grpc, f"/v1/models/{model}:predict")
        yield from self._run(server, model)

    @contextlib.contextmanager
    def peer(self, setup: Setup, engine: str, model: str) -> Iterator[Server]:
        """A peer with `engine` ("tensorflow" or "litert") inside. Raises tools.ToolError, ServerError."""
        folder = tools.HERE / "peers" / setup.peer
        python = tools.python(setup.peer, folder / "requirements.txt")
        http_port, grpc, *spare = free_ports(8)
        environment = {
            **os.environ,
            "PYTHONPATH": str(tools.HERE / "peers" / "common"),
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "BENCH_MODEL": model,
            "BENCH_ENGINE": engine,
            "BENCH_SAVED_MODEL": str(self.folder / model / "saved_model"),
            "BENCH_TFLITE": str(self.tflite(model)),
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        home = self._home()
        names = {"python": python, "http": http_port, "grpc": grpc, "spare": spare, "home": home, "folder": folder}
        names["model"] = model
        environment |= {name: value.format(**names) for name, value in setup.environment.items()}
        process = Process(setup.command.format(**names).split(), environment, home / "log", folder)
        server = Server(setup.name, process, http_port, grpc, setup.path.format(model=model), setup.open_inference)
        yield from self._run(server, model)

    @contextlib.contextmanager
    def nginx(self, body: bytes) -> Iterator[Server]:
        """nginx, one worker, answering every request with `body`: what the machine's loopback gives."""
        home = self._home()
        (port,) = free_ports(1)
        (home / "nginx.conf").write_text(NGINX.format(home=home, port=port, body=body.decode()))
        command = [tools.nginx(), "-p", str(home), "-e", str(home / "error.log"), "-c", str(home / "nginx.conf")]
        server = Server("nginx", Process(command, dict(os.environ), home / "log"), port, 0, "/")
        try:
            _until_answering(server, b"{}")
            yield server
        finally:
            server.process.stop()

    def _run(self, server: Server, model: str) -> Iterator[Server]:
        try:
            seconds = _until_answering(server, server.body(model, 1))
            self._check(server, model)
            yield Server(**{**vars(server), "first_answer": seconds})
        finally:
            server.process.stop()

    def expected(self, model: str, rows: int) -> NDArray[np.float32]:
        """What the network itself says of the requests' rows."""
        from ai_edge_litert.interpreter import Interpreter

        kept = self.folder / model / models.EXPECTED
        if kept.exists():
            return np.asarray(np.load(kept)[:rows])
        values = models.rows(model, rows)
        network = Interpreter(model_path=str(self.tflite(model)), num_threads=1)
        source, target = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]
        network.resize_tensor_input(source, values.shape)
        network.allocate_tensors()
        network.set_tensor(source, values)
        network.invoke()
        return np.asarray(network.get_tensor(target))

    def _check(self, server: Server, model: str) -> None:
        """A few rows are answered as the network itself does."""
        status, _, answer = server.post(server.body(model, 4))
        if status != 200:
            raise ServerError(f"{server.name} answers {status}: {answer[:300]!r}")
        given = forms.predictions(json.loads(answer), models.CLASSES[model])
        wrong = float(np.abs(given - self.expected(model, 4)).max())
        if wrong > TOLERANCE:
            raise ServerError(f"{server.name} answers wrongly: off by {wrong:g}")

    def _home(self) -> Path:
        self._count += 1
        home = self.folder / f"server-{self._count}"
        home.mkdir()
        return home


def _until_answering(server: Server, body: bytes) -> float:
    """Seconds from the start to the first 200. Raises ServerError."""
    process = server.process
    while True:
        try:
            status, _, answer = server.post(body)
            if status == 200:
                return time.monotonic() - process.began
            last = f"{status} {answer[:200]!r}"
        except OSError as error:
            last = repr(error)
        if process.ended or time.monotonic() - process.began > START_SECONDS:
            raise ServerError(f"{server.name} does not start: {last}; its log ends: {_end(process.log)}")
        time.sleep(0.005)


def _end(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-600:]
