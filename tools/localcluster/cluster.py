"""Start and end of the cluster: the order of its parts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

from tools.localcluster import binaries, components, containers, network, packages, pki, processes, volumes
from tools.localcluster.settings import BINARIES, KUBECONFIG, KUBERNETES_VERSION, NODE, SOURCE, STATE

ORDER = (
    "etcd",
    "apiserver",
    "containerd",
    "controller-manager",
    "scheduler",
    "kubelet",
    "proxy",
    "coredns",
    "recycler",
)
ROLES = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "ropewalk-coredns"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:kube-dns-reader"},
    "subjects": [{"kind": "User", "name": "coredns", "apiGroup": "rbac.authorization.k8s.io"}],
}
READER = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "system:kube-dns-reader"},
    "rules": [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ],
}


def running() -> bool:
    """True if every process of the cluster is alive."""
    return all(processes.pid(name) is not None for name in ORDER)


def up() -> None:
    """Start what does not run, in order, and return when the node is Ready. ClusterError says what is missing.

    Each part finds its way back to the others, so that what runs goes on, pods included; only what a whole cluster
    left behind is cleaned away first.
    """
    packages.ensure()
    binaries.ensure()
    if not any(processes.pid(name) is not None for name in ORDER):
        _clean()
    STATE.mkdir(parents=True, exist_ok=True)
    pki.ensure()
    components.write_configuration()
    network.up()
    processes.start("etcd", components.etcd())
    processes.start("apiserver", components.apiserver())
    containers.up()
    kubectl = [str(BINARIES / "kubectl"), f"--kubeconfig={KUBECONFIG}"]
    processes.wait("apiserver", "the API server", [*kubectl, "get", "--raw", "/readyz"])
    processes.start("controller-manager", components.controller_manager())
    processes.start("scheduler", components.scheduler())
    processes.start("kubelet", components.kubelet())
    processes.start("proxy", components.proxy())
    items = [READER, ROLES, *volumes.manifests()]
    documents = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    volumes.kubectl("apply", "--server-side", "-f", "-", stdin=documents)
    processes.start("coredns", components.coredns())
    processes.start("recycler", [sys.executable, "-c", _recycler()])
    node = [*kubectl, "wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=1s"]
    processes.wait("kubelet", "the node", node)
    account = [*kubectl, "get", "serviceaccount", "default"]
    processes.wait("controller-manager", "the default service account", account)


def _recycler() -> str:
    """The recycler as a program of its own, independent of the folder it is started in."""
    root = str(SOURCE.parents[1])
    return f"import sys; sys.path.insert(0, {root!r}); from tools.localcluster import volumes; volumes.recycle()"


def _clean() -> None:
    """End what is left of a cluster, cleanly stopped or killed; keeps its state."""
    for name in reversed(ORDER):
        if name != "containerd":
            processes.stop(name)
    containers.end_all()
    processes.stop("containerd")
    containers.end_shims()
    containers.unmount()
    containers.remove_cgroups()
    network.down()
    shutil.rmtree(STATE / "containerd" / "state", ignore_errors=True)
    shutil.rmtree(STATE / "ipam", ignore_errors=True)


def down() -> None:
    """End the cluster and remove its state; the cached binaries and buildah's images stay."""
    _clean()
    shutil.rmtree(STATE, ignore_errors=True)


def status() -> int:
    """Print one line a part; 0 if all run."""
    for name in ORDER:
        number = processes.pid(name)
        print(f"{name:20} {'running, pid ' + str(number) if number else 'not running'}")
    if running():
        done = subprocess.run(
            [str(BINARIES / "kubectl"), f"--kubeconfig={KUBECONFIG}", "get", "nodes", "--no-headers"],
            capture_output=True,
            text=True,
            check=False,
        )
        print(f"Kubernetes {KUBERNETES_VERSION}: {done.stdout.strip() or done.stderr.strip()}")
        print(f"export KUBECONFIG={KUBECONFIG}")
    return 0 if running() else 1
