"""Real pods: every test gets a namespace, two claims and a pod through which it writes the data's files."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from examples.demo import FILES_POD
from tests.support import Namespace, kubectl

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


@pytest.fixture(scope="session", autouse=True)
def _cluster() -> None:
    """These tests have no meaning without a cluster: say how to get one instead of failing one by one."""
    if not os.environ.get("KUBECONFIG"):
        pytest.exit("tests/node needs a cluster: run `make test`, or set KUBECONFIG after `make install`", 2)


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    """A namespace under pod security `restricted`, with the claims `data` and `models` and the pod `files`."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    space = Namespace(name)
    claims = [{**CLAIM, "metadata": {"name": claim}} for claim in ("data", "models")]
    pod = {**FILES_POD, "metadata": {"name": "files", "namespace": name}}
    space.apply(*claims, pod)
    kubectl("-n", name, "wait", "--for=condition=Ready", "pod/files", "--timeout=60s")
    yield space
    kubectl("delete", "namespace", name, "--wait=false")
