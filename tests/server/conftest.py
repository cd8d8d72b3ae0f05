"""A real version, made by the trainer and tried by the smoke test, and a server process that serves it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ropewalk_server.app import smoke_test
from ropewalk_server.serving.batch_queue import BatchQueue
from tests.cancer import cancer_csv, malignant
from tests.polling import NotYet, eventually
from tests.server.zoo import write
from tests.trainer.support import Pod, example

Answer = tuple[int, dict[str, Any], dict[str, str]]
Published = tuple[Path, list[dict[str, Any]]]


def row(**changes: Any) -> dict[str, Any]:
    """A malignant tumour as an instance, some of its values replaced."""
    return {**malignant(), **changes}


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A pod's root with versions 1 and 2 in the store, and what the smoke test said of each."""
    root = tmp_path_factory.mktemp("published")
    said = []
    with pytest.MonkeyPatch.context() as patch:
        pod = Pod(root, patch)
        pod.write("cancer/train.csv", cancer_csv())
        for run in (1, 2):
            spec = example("tabular")
            spec["train"] = {**spec["train"], "seed": run}
            result = pod.run(spec, run=run)
            assert result.code == 0, result.message
            assert smoke_test.main() == 0
            said.append(json.loads((root / "termination-log").read_text()))
    return root, said


class Server:
    """A `ropewalk-serve serve` process over a root of its own."""

    def __init__(self, root: Path, ports: tuple[int, int]) -> None:
        self.root = root
        self.ports = ports
        self.grpc_port = ports[0] + 1000
        self.environment: dict[str, str] = {}
        self._revision = 0
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("routes", "state"):
            (root / name).mkdir(exist_ok=True)

    def tell(self, live: int | None, versions: list[dict[str, Any]], **more: Any) -> None:
        """The next revision of the routes."""
        self._revision += 1
        listed = [
            {
                "version": one["version"],
                "path": f"/ropewalk/claims/{one['uri'].removeprefix('pvc://')}",
                "manifestDigest": one["manifestDigest"],
                "digest": one["digest"],
            }
            for one in versions
        ]
        document = {"formatVersion": 1, "revision": self._revision, "model": "cancer", "pilot": None, "live": live}
        document |= {"versions": listed, "bucketSeconds": 2, "engine": "Auto", "limits": {}, **more}
        self.put_routes(document)

    def put_routes(self, document: dict[str, Any]) -> None:
        """The routes file with that document, swapped in as kubelet does."""
        partial = self.root / "routes" / "new"
        partial.write_text(json.dumps(document))
        partial.rename(self.root / "routes" / "routes.json")

    def start(self) -> None:
        """Start the process; it answers on its monitoring port when this returns."""
        environment = {
            **os.environ,
            "ROPEWALK_ROOT": str(self.root),
            "ROPEWALK_MODEL": "cancer",
            "POD_NAME": "pod-a",
            "ROPEWALK_LEAVE_SECONDS": "0",
            "ROPEWALK_FEEDBACK_KEY": "the key of all servers of the tests",
            "ROPEWALK_HTTP_PORT": str(self.ports[0]),
            "ROPEWALK_MONITORING_PORT": str(self.ports[1]),
            "ROPEWALK_GRPC_PORT": str(self.grpc_port),
            **self.environment,
        }
        command = [sys.executable, "-m", "ropewalk_server.app.main", "serve"]
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stderr=log)
        self.until(self._is_up)

    def _is_up(self) -> bool:
        """Whether this process answers; one that was left over on its ports must not do so in its place."""
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        return self.get("/healthz", monitoring=True)[0] == 200

    def log(self) -> str:
        """What it has written to stderr so far."""
        return (self.root / "log").read_text(errors="replace")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.terminate()
        return self.ended()

    def terminate(self) -> None:
        """SIGTERM."""
        assert self._process is not None
        self._process.terminate()

    def ended(self) -> int:
        """The exit code, once there is one."""
        assert self._process is not None
        return self._process.wait(30)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def until(self, look: Any, seconds: float = 15) -> None:
        """Wait for `look` to hold; NotYet with the server's status otherwise."""
        try:
            eventually(look, seconds=seconds, pause=0.02)
        except NotYet as late:
            raise NotYet(f"{late}; status: {self.status()}") from None

    def request(
        self, method: str, path: str, body: bytes | None, *, monitoring: bool = False, **headers: str
    ) -> Answer:
        """One request on a connection of its own; status 0 where nothing answers."""
        url = f"http://127.0.0.1:{self.ports[1 if monitoring else 0]}{path}"
        sent = {"content-type": "application/json", **headers}
        request = urllib.request.Request(url, body, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, _document(answer.read()), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _document(error.read()), dict(error.headers)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return 0, {}, {}

    def get(self, path: str, *, monitoring: bool = False) -> Answer:
        """GET."""
        return self.request("GET", path, None, monitoring=monitoring)

    def post(self, path: str, body: Any) -> Answer:
        """POST of bytes as they are, or of anything else as JSON."""
        return self.request("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())

    def predict(self, *rows: dict[str, Any]) -> Answer:
        """POST :predict in row form."""
        return self.post("/v1/models/cancer:predict", {"instances": list(rows)})

    def status(self) -> dict[str, Any]:
        """GET /status."""
        return self.get("/status", monitoring=True)[1]


def _document(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {"text": raw.decode(errors="replace")}
    return found if isinstance(found, dict) else {"value": found}


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST_PORT = int(os.environ.get("ROPEWALK_TEST_PORT", "28501")) + 200 * _WORKER
"""Two runs on one machine need two ranges; the workers of one run have a range each."""
_ports = iter(range(_FIRST_PORT, _FIRST_PORT + 200, 2))


def next_ports() -> tuple[int, int]:
    """For predictions and for monitoring; nobody else has them."""
    port = next(_ports)
    return port, port + 1


@pytest.fixture
def server(tmp_path: Path, published: tuple[Path, list[dict[str, Any]]]) -> Iterator[Server]:
    """A server with a copy of the store, not started and told nothing yet."""
    shutil.copytree(published[0] / "claims", tmp_path / "claims")
    found = Server(tmp_path, next_ports())
    yield found
    if found._process is not None and found._process.poll() is None:
        found.kill()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, published: tuple[Path, list[dict[str, Any]]]) -> Iterator[Server]:
    """A server that serves version 1, shared by the tests of a file, none of which may change what is served."""
    yield from ready(tmp_path_factory.mktemp("serving"), published)


def ready(
    root: Path, published: Published, environment: dict[str, str] | None = None, **routes: Any
) -> Iterator[Server]:
    """A server that serves version 1 from a copy of the store, ended in good order."""
    shutil.copytree(published[0] / "claims", root / "claims")
    found = Server(root, next_ports())
    found.environment = environment or {}
    found.tell(1, published[1][:1], **routes)
    found.start()
    found.until(lambda: found.get("/readyz", monitoring=True)[0] == 200)
    yield found
    assert found.stop() == 0


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of small versions with inputs of every kind (`tests.server.zoo`); none is live but the first."""
    root = tmp_path_factory.mktemp("zoo")
    versions = write(root)
    found = Server(root, next_ports())
    found.tell(1, versions)
    found.start()
    found.until(lambda: len([one for one in found.status()["versions"] if one["state"] == "Proved"]) == len(versions))
    yield found
    assert found.stop() == 0


@pytest.fixture
async def batch_queue() -> AsyncIterator[BatchQueue]:
    """One thread."""
    found = BatchQueue(1)
    yield found
    found.stop()
