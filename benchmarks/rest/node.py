"""A node without a kubelet: pods bound to it are Running and Ready, and one process here answers for all of them.

The scheduler puts nothing on it (a taint); the pods of the benchmark are bound by `Node` itself. Its Lease is renewed,
else the node controller would evict them. All pods have the same address, one of this machine that pods can reach.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.cluster import Api
from benchmarks.rest.canned import Answers
from ropewalk.core.deployment.children.workload import CONTAINER, MONITORING_PORT
from tools.localcluster.settings import NODE_ADDRESS

ADDRESS = os.environ.get("ROPEWALK_BENCH_ADDRESS", NODE_ADDRESS)
"""Address of this machine that the operator's pod reaches; on kind the gateway of its Docker network."""
NAME = "ropewalk-bench"
SELECTOR = {"ropewalk.dev/bench": "rest"}
HEARTBEAT_SECONDS = 5.0
LOOK_SECONDS = 0.5
NODES, LEASES = "/api/v1/nodes", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
MERGE = "application/merge-patch+json"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_status() -> dict[str, Any]:
    """A node with room for all pods of the benchmark."""
    room = {"cpu": "1000", "memory": "1Ti", "pods": "1000", "ephemeral-storage": "1Ti"}
    ready = {"type": "Ready", "status": "True", "reason": "Benchmark", "message": "no kubelet runs here"}
    return {
        "capacity": room,
        "allocatable": room,
        "conditions": [{**ready, "lastHeartbeatTime": _now(), "lastTransitionTime": _now()}],
        "addresses": [{"type": "InternalIP", "address": ADDRESS}, {"type": "Hostname", "address": NAME}],
    }


def pod_status(pod: dict[str, Any]) -> dict[str, Any]:
    """As kubelet reports a pod whose only container is ready."""
    now = _now()
    image = next(one["image"] for one in pod["spec"]["containers"] if one["name"] == CONTAINER)
    container = {
        "name": CONTAINER,
        "image": image,
        "imageID": image,
        "containerID": f"bench://{pod['metadata']['uid']}",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": now}},
        "lastState": {},
    }
    kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    return {
        "phase": "Running",
        "conditions": [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds],
        "containerStatuses": [container],
        "podIP": ADDRESS,
        "podIPs": [{"ip": ADDRESS}],
        "hostIP": ADDRESS,
        "startTime": now,
    }


class Node:
    """The node and the pods of one namespace on it. A thread of its own keeps both up."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._pods = api, f"/api/v1/namespaces/{namespace}/pods"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="bench-node", daemon=True)
        self.hurried = True
        """True if pods are expected: without any the API server is at rest, too."""
        self.ready = 0
        """Pods that were ready at the last look."""
        self.failed: BaseException | None = None
        """Error that ended the thread."""

    def start(self) -> None:
        """Create the node and its Lease, then keep them and the pods up."""
        self._delete()
        taint = {"key": next(iter(SELECTOR)), "effect": "NoSchedule"}
        meta = {"name": NAME, "labels": {**SELECTOR, "kubernetes.io/hostname": NAME}}
        body = {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {"taints": [taint]}}
        self._api.send("POST", NODES, body)
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NAME}}
        self._api.send("POST", LEASES, {**lease, "spec": self._renewal()})
        self._api.send("PATCH", f"{NODES}/{NAME}/status", {"status": node_status()}, MERGE)
        self._thread.start()

    def stop(self) -> None:
        """Delete the pods at once, since no kubelet ends them, and the node."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(30)
        for pod in self._api.json(self._pods).get("items", []):
            options = {"gracePeriodSeconds": 0}
            self._api.send("DELETE", f"{self._pods}/{pod['metadata']['name']}", options, missing_ok=True)
        self._delete()

    def look(self) -> int:
        """Bind pods that have no node, report those that were bound; number of pods that are ready."""
        ready = 0
        for pod in self._api.json(self._pods).get("items", []):
            name = pod["metadata"]["name"]
            if "deletionTimestamp" in pod["metadata"]:
                self._api.send("DELETE", f"{self._pods}/{name}", {"gracePeriodSeconds": 0}, missing_ok=True)
                continue
            if not pod["spec"].get("nodeName"):
                target = {"apiVersion": "v1", "kind": "Node", "name": NAME}
                binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
                self._api.send("POST", f"{self._pods}/{name}/binding", binding, missing_ok=True)
            elif pod["spec"]["nodeName"] == NAME and pod["status"].get("phase") != "Running":
                status = {"status": pod_status(pod)}
                self._api.send("PATCH", f"{self._pods}/{name}/status", status, MERGE, missing_ok=True)
            ready += pod["status"].get("phase") == "Running"
        return ready

    def _keep(self) -> None:
        try:
            while not self._stop.wait(LOOK_SECONDS if self.hurried else HEARTBEAT_SECONDS):
                self._api.send("PATCH", f"{LEASES}/{NAME}", {"spec": self._renewal()}, MERGE)
                self.ready = self.look()
        except BaseException as error:
            self.failed = error
            raise

    @staticmethod
    def _renewal() -> dict[str, Any]:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"holderIdentity": NAME, "leaseDurationSeconds": 40, "renewTime": stamp}

    def _delete(self) -> None:
        for path in (f"{NODES}/{NAME}", f"{LEASES}/{NAME}"):
            self._api.send("DELETE", path, missing_ok=True)


@contextmanager
def answering(answers: Answers) -> Iterator[None]:
    """A server at the pods' address and monitoring port.

    A connection that is idle for two seconds ends: those of two hundred pods that are asked once a minute do so too.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 2.0

        def do_GET(self) -> None:
            """One answer."""
            found = answers.to(self.path)
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True

    server = Server((ADDRESS, MONITORING_PORT), Handler)
    thread = threading.Thread(target=server.serve_forever, name="bench-pods", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
