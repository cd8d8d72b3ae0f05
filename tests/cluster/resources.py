"""Manifests of the examples under other names, files in the claim `data`, and waiting for a run or for pods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from examples.demo import FILES_POD
from tests.polling import eventually
from tests.support import Namespace, condition, kubectl

LONGEST = "long-" * 10 + "xy"
"""A name of 52 characters, which is as long as the CRDs allow."""
EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> dict[str, Any]:
    """A manifest of the tabular example."""
    loaded: dict[str, Any] = yaml.safe_load((EXAMPLES / "tabular" / name).read_text())
    return loaded


def pipeline(name: str, **changes: Any) -> dict[str, Any]:
    """The example's Pipeline under another name, with some of its spec replaced."""
    found = example("pipeline.yaml")
    found["metadata"]["name"] = name
    found["spec"].update(changes)
    return found


def write_csv(namespace: Namespace, path: str, text: str) -> None:
    """Put a file into the claim `data`."""
    namespace.pod_exec("files", f"mkdir -p $(dirname /data/{path}) && cat > /data/{path}", stdin=text)


def finished(namespace: Namespace, name: str, run: int = 1) -> dict[str, Any]:
    """The Pipeline once its run of that number has ended."""
    return eventually(
        lambda: namespace.get("pipeline", name),
        until=lambda p: any(int(h["id"]) >= run for h in p.get("status", {}).get("history", [])),
        seconds=180,
    )


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    """A ModelDeployment of the Pipeline."""
    found = example("modeldeployment.yaml")
    found["metadata"]["name"] = name
    found["spec"] |= {"model": {"pipeline": LONGEST}, **spec}
    return found


def patch(namespace: Namespace, name: str, **spec: Any) -> None:
    """Change a spec."""
    body = json.dumps({"spec": spec})
    kubectl("-n", namespace.name, "patch", "modeldeployment", name, "--type=merge", "-p", body)


def ready(namespace: Namespace, name: str, replicas: int = 1) -> dict[str, Any]:
    """The ModelDeployment once so many pods answer."""
    return eventually(
        lambda: namespace.get("modeldeployment", name),
        until=lambda m: condition(m, "Ready").get("status") == "True" and m["status"].get("readyReplicas") == replicas,
        seconds=60,
    )


CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


STORE_POD: dict[str, Any] = {
    **json.loads(json.dumps(FILES_POD).replace('"claimName": "data"', '"claimName": "models"')),
    "metadata": {"name": "store"},
}
"""As `files`, with the claim of the models at /data."""
