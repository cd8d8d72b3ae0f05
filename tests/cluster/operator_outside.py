"""An operator outside the cluster, which a test starts, breaks and ends as it likes; the cluster's own rests then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from tests.support import kubectl

OPERATOR = "ropewalk-operator"
HOME = "ropewalk-system"


def images() -> dict[str, str]:
    """The images that the operator in the cluster was told to use."""
    found = json.loads(kubectl("-n", HOME, "get", "configmaps", "-o", "json").stdout)["items"]
    data: dict[str, str] = next(c["data"] for c in found if c["metadata"]["name"].startswith("ropewalk-images"))
    return data


def start(namespace: str, identity: str, port: int, **environment: str) -> subprocess.Popen[bytes]:
    """An operator of that namespace alone, which keeps its Lease there too."""
    command = [sys.executable, "-m", "ropewalk.cli.main", "operator", "--kubeconfig", os.environ["KUBECONFIG"]]
    command += ["--namespace", namespace, "--operator-namespace", namespace]
    command += ["--identity", identity, "--port", str(port)]
    return subprocess.Popen(command, env={**os.environ, **images(), **environment})


class MortalOperator:
    """An operator that dies of one fault after another, and is started again each time with the next one."""

    def __init__(self, namespace: str, faults: Iterator[str]) -> None:
        self._namespace = namespace
        self._faults = faults
        self.lives = 0
        self._process: subprocess.Popen[bytes] | None = None

    def keep_alive(self) -> None:
        """Start it again if it has died."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            assert self._process.returncode == 137, "the operator ended otherwise than by the fault"
        self.lives += 1
        self._process = start(self._namespace, "mortal", 18080, ROPEWALK_FAULT=next(self._faults))

    def stop(self) -> None:
        """End it for good."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
