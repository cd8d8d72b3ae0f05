"""The cluster as benchmarks need it: requests through `kubectl proxy`, namespaces, the operator's own figures."""

from __future__ import annotations

import contextlib
import json
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from examples.demo import FILES_POD
from tests.cancer import cancer_csv
from tests.cluster.resources import CLAIM, write_csv
from tests.polling import eventually
from tests.support import Namespace, kubectl

EXAMPLES = Path(__file__).parents[1] / "examples"
HOME = "ropewalk-system"


class Api:
    """Requests to the API server through a local `kubectl proxy`: milliseconds, where a kubectl takes a hundred."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._base = "http://" + self._process.stdout.readline().split(" on ")[1].strip()

    def text(self, path: str) -> str:
        """The answer as text."""
        with urllib.request.urlopen(self._base + path, timeout=30) as answer:
            found: str = answer.read().decode()
            return found

    def json(self, path: str) -> dict[str, Any]:
        """The answer as JSON; an empty object where there is nothing."""
        try:
            found: dict[str, Any] = json.loads(self.text(path))
            return found
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return {}
            raise

    def send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        content: str = "application/json",
        *,
        missing_ok: bool = False,
    ) -> None:
        """A request that writes. `missing_ok`: an object that is not there, or changed meanwhile, is no error."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data=data, method=method, headers={"Content-Type": content})
        try:
            with urllib.request.urlopen(request, timeout=30):
                pass
        except urllib.error.HTTPError as error:
            if not (missing_ok and error.code in (404, 409)):
                raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:500].decode()}") from error

    def resource(self, namespace: Namespace, plural: str, name: str) -> dict[str, Any]:
        """A Pipeline or ModelDeployment."""
        return self.json(f"/apis/ropewalk.dev/v1alpha1/namespaces/{namespace.name}/{plural}/{name}")

    def pods(self, namespace: Namespace, selector: str) -> list[dict[str, Any]]:
        """Pods by label."""
        found: list[dict[str, Any]] = self.json(f"/api/v1/namespaces/{namespace.name}/pods?labelSelector={selector}")[
            "items"
        ]
        return found

    def close(self) -> None:
        """End the proxy."""
        self._process.terminate()
        self._process.wait(10)


def wait(look: Callable[[], Any], seconds: float = 180, pause: float = 0.02) -> Any:
    """The result of `look` once it is true; NotYet otherwise."""
    return eventually(look, seconds=seconds, pause=pause)


def manifest(folder: str, name: str, **changes: Any) -> dict[str, Any]:
    """A manifest of an example with some of its spec replaced."""
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / folder / name).read_text())
    found["spec"].update(changes)
    return found


def is_true(resource: dict[str, Any], kind: str) -> bool:
    """Whether the condition is True for the current generation."""
    found = resource.get("status", {}).get("conditions", [])
    return any(c["type"] == kind and c["status"] == "True" for c in found)


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """A namespace with the claims and the tabular example's data, deleted afterwards."""
    space = Namespace(f"bench-{uuid.uuid4().hex[:8]}")
    kubectl("create", "namespace", space.name)
    try:
        claims = [{**CLAIM, "metadata": {"name": claim}} for claim in ("data", "models")]
        space.apply(*claims, {**FILES_POD, "metadata": {"name": "files", "namespace": space.name}})
        kubectl("-n", space.name, "wait", "--for=condition=Ready", "pod/files", "--timeout=60s")
        write_csv(space, "cancer/train.csv", cancer_csv())
        yield space
    finally:
        kubectl("delete", "namespace", space.name, "--wait=true", "--timeout=120s")


class OperatorFigures:
    """What the operator says of itself on /metrics."""

    def __init__(self, api: Api) -> None:
        self._api = api
        selector = "app.kubernetes.io/component=operator"
        self._pod = wait(lambda: next((p for p in api.pods(Namespace(HOME), selector) if _ready(p)), None))["metadata"][
            "name"
        ]

    def read(self) -> dict[str, float]:
        """Sample by name and labels."""
        text = self._api.text(f"/api/v1/namespaces/{HOME}/pods/{self._pod}:8080/proxy/metrics")
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def writes(self) -> float:
        """Writes to the API server since the operator started, the Lease excepted, Events included."""
        return sum(v for k, v in self.read().items() if k.startswith("ropewalk_writes_total{"))


def _ready(pod: dict[str, Any]) -> bool:
    return is_true(pod, "Ready") and "deletionTimestamp" not in pod["metadata"]
