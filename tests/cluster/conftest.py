"""Real pods: every test gets a namespace, two claims and a pod through which it writes the data's files."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator

import pytest

from examples.demo import FILES_POD
from tests.cancer import cancer_csv
from tests.cluster.operator_outside import HOME, OPERATOR
from tests.cluster.resources import CLAIM, LONGEST, STORE_POD, finished, pipeline, write_csv
from tests.support import Namespace, kubectl


@pytest.fixture(scope="session", autouse=True)
def _cluster() -> None:
    """These tests have no meaning without a cluster: say how to get one instead of failing one by one."""
    if not os.environ.get("KUBECONFIG"):
        pytest.exit("tests/cluster needs a cluster: run `make test`, or set KUBECONFIG after `make install`", 2)


@contextlib.contextmanager
def fresh_namespace() -> Iterator[Namespace]:
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


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    """A namespace of the module's own."""
    with fresh_namespace() as space:
        yield space


@pytest.fixture(scope="session")
def versioned() -> Iterator[Namespace]:
    """A namespace whose Pipeline LONGEST has made version 1, for all tests that only serve it; pod `store` sees it."""
    with fresh_namespace() as space:
        write_csv(space, "cancer/train.csv", cancer_csv())
        space.apply(STORE_POD, pipeline(LONGEST, evaluate={}, triggers={}))
        ended = finished(space, LONGEST)
        assert ended["status"]["history"][-1]["result"] == "Succeeded", ended["status"]
        kubectl("-n", space.name, "wait", "--for=condition=Ready", "pod/store", "--timeout=60s")
        yield space


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    """No operator in the cluster while one runs here, since two would hide each other's faults."""
    kubectl("-n", HOME, "scale", f"deployment/{OPERATOR}", "--replicas=0")
    kubectl("-n", HOME, "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=operator", "--timeout=60s")
    yield
    kubectl("-n", HOME, "scale", f"deployment/{OPERATOR}", "--replicas=1")
    kubectl("-n", HOME, "rollout", "status", f"deployment/{OPERATOR}", "--timeout=60s")
