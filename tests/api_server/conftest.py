"""Tests that need an API server and nothing else: no node, no operator."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import kubectl

CRDS = Path(__file__).parents[2] / "crds"
MANIFESTS = Path(__file__).parents[2] / "manifests"


@pytest.fixture(scope="session", autouse=True)
def definitions() -> None:
    """The committed definitions, installed and served."""
    if not os.environ.get("KUBECONFIG"):
        pytest.exit("tests/api_server needs a cluster: run `make test`, or set KUBECONFIG after `make install`", 2)
    files = [argument for path in sorted(CRDS.glob("*.ropewalk.dev.yaml")) for argument in ("-f", str(path))]
    kubectl("apply", "--server-side", "--force-conflicts", *files)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", *files)
