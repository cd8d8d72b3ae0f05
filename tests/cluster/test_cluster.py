"""The cluster itself: what every later test takes for granted, and `up` on a cluster that is up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from examples.demo import FILES_POD
from tests.polling import eventually
from tests.support import Namespace, kubectl
from tools.localcluster import processes
from tools.localcluster.cluster import ORDER
from tools.localcluster.settings import STATE

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def web(namespace: Namespace) -> str:
    """A pod that serves its directory and says so in its log."""
    container = {**FILES_POD["spec"]["containers"][0], "volumeMounts": [], "workingDir": "/etc"}
    container["command"] = ["python3", "-u", "-m", "http.server", "8000"]
    spec = {**FILES_POD["spec"], "containers": [container], "volumes": []}
    meta = {"name": "web", "namespace": namespace.name}
    namespace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    kubectl("-n", namespace.name, "wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    return "web"


def test_names_resolve_in_pods(namespace: Namespace) -> None:
    """Cluster DNS answers for a Service."""
    script = "python3 -c \"import socket; print(socket.gethostbyname('kubernetes.default.svc.cluster.local'))\""
    address = namespace.pod_exec("files", script).strip()
    assert address == kubectl("get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}").stdout


def test_a_claim_keeps_what_is_written(namespace: Namespace) -> None:
    """Bound, writable by the user of a restricted pod."""
    namespace.pod_exec("files", "echo kept > /data/kept")
    assert namespace.pod_exec("files", "cat /data/kept").strip() == "kept"
    claim = namespace.get("persistentvolumeclaim", "data")
    assert claim["status"]["phase"] == "Bound"


def test_logs_exec_and_port_forward(namespace: Namespace, web: str) -> None:
    """kubectl's ways into a pod."""
    command = ["kubectl", "-n", namespace.name, "port-forward", f"pod/{web}", ":8000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().split(" -> ")[0].rsplit(":", 1)[1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/hostname", timeout=10) as answer:
                assert answer.read().decode().strip() == web
        finally:
            process.terminate()
    eventually(
        lambda: kubectl("-n", namespace.name, "logs", web, check=False).stdout,
        until=lambda text: "GET /hostname" in text,
        seconds=10,
    )


def localcluster(command: str) -> str:
    """What `python -m tools.localcluster` prints."""
    if not os.environ.get("KUBECONFIG", "").startswith(str(STATE)):
        pytest.skip("this cluster is not the embedded one")
    done = subprocess.run(
        [sys.executable, "-m", "tools.localcluster", command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_up_on_a_cluster_that_is_up_changes_nothing() -> None:
    """The same processes before and after."""
    before = localcluster("status")
    assert "cluster is up" in localcluster("up")
    assert localcluster("status").splitlines()[:-2] == before.splitlines()[:-2]


@pytest.mark.parametrize("victim", ["scheduler", "kubelet"])
def test_up_mends_what_was_killed_and_leaves_the_rest_alone(namespace: Namespace, web: str, victim: str) -> None:
    """kill -9 of one part: the others keep their processes, pods their containers, and new pods run."""
    localcluster("up")
    before = {name: processes.pid(name) for name in ORDER}
    container = namespace.get("pod", web)["status"]["containerStatuses"][0]["containerID"]
    killed = before[victim]
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: processes.pid(victim), until=lambda number: number is None, seconds=10)
    assert "cluster is up" in localcluster("up")
    after = {name: processes.pid(name) for name in ORDER}
    assert [name for name in ORDER if after[name] != before[name]] == [victim]
    assert after[victim] is not None
    pod = {**FILES_POD, "metadata": {"name": f"after-{victim}"}}
    namespace.apply(pod)
    kubectl("-n", namespace.name, "wait", "--for=condition=Ready", f"pod/after-{victim}", "--timeout=60s")
    assert namespace.get("pod", web)["status"]["containerStatuses"][0]["containerID"] == container
