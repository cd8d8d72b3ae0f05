"""Requests from inside the cluster, through the Service as any client sends them: single ones and a steady load."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tests.cancer import cancer_csv
from tests.polling import eventually
from tests.server.grpc_clients import request
from tests.support import Namespace, kubectl

SEND = """
import json, ssl, sys, time, urllib.error, urllib.request
asked, answers, began = json.load(sys.stdin), [], time.monotonic()
verified = ssl.create_default_context(cadata=asked["ca"]) if asked["ca"] else None
for body in asked["bodies"]:
    request = urllib.request.Request(asked["url"], json.dumps(body).encode(), {"content-type": "application/json"})
    answer = None
    while answer is None:
        try:
            answer = urllib.request.urlopen(request, timeout=10, context=verified)
        except urllib.error.HTTPError as error:
            answer = error
        except urllib.error.URLError:
            if answers or time.monotonic() - began > 5:  # a Service is known a second or two after its first ready pod
                raise
            time.sleep(0.2)
    said = answer.read().decode()
    answers.append([answer.status, json.loads(said or "null"), answer.headers.get("ropewalk-prediction-id", "")])
print(json.dumps(answers))
"""
LOAD = """
import http.client, json, select, sys, time
began, done, failed, kept = time.monotonic(), 0, [], None
while time.monotonic() - began < 240 and not select.select([sys.stdin], [], [], 0.005)[0]:
    try:
        fresh = done % 2 == 0 or kept is None  # half of the requests come over a connection that is kept
        connection = http.client.HTTPConnection(sys.argv[1], 8501, timeout=5) if fresh else kept
        connection.request("POST", sys.argv[2], sys.argv[3])
        answer = connection.getresponse()
        said = answer.read()
        kept = connection if answer.getheader("connection") != "close" else None
        if answer.status != 200:
            failed.append([round(time.monotonic() - began, 2), answer.status, said.decode()[:200]])
        if fresh and kept is not connection:
            connection.close()
    except OSError as error:
        failed.append([round(time.monotonic() - began, 2), repr(error)])
        kept = None
    done += 1
print(json.dumps({"done": done, "failed": failed[:20], "count": len(failed)}))
"""
CALLS = """
import base64, grpc, json, select, sys, time
request, began, done, failed = base64.b64decode(sys.argv[3]), time.monotonic(), 0, []
channels = [grpc.insecure_channel(sys.argv[1] + ":8500", [("use_local_subchannel_pool", 1)]) for _ in range(4)]
while time.monotonic() - began < 240 and not select.select([sys.stdin], [], [], 0.005)[0]:
    try:
        answer = channels[done % 4].unary_unary(sys.argv[2])(request, timeout=5)
        if len(answer) < 10:
            failed.append([round(time.monotonic() - began, 2), answer.hex()])
    except grpc.RpcError as error:
        failed.append([round(time.monotonic() - began, 2), str(error.code()), error.details()])
    done += 1
print(json.dumps({"done": done, "failed": failed[:20], "count": len(failed)}))
"""
ANSWERED = re.compile(r'^ropewalk_server_requests_total\{([^}]*code="200"[^}]*)\} ([0-9.e+]+)$', re.MULTILINE)


class Answer(NamedTuple):
    """What came back: HTTP status, body, and the prediction's id."""

    status: int
    body: Any
    prediction_id: str


def rows() -> list[tuple[dict[str, float], str]]:
    """The cancer data as the model's inputs, with the true labels."""
    return [
        ({k.replace(" ", "_"): float(v) for k, v in row.items() if k != "diagnosis"}, row["diagnosis"])
        for row in csv.DictReader(io.StringIO(cancer_csv()))
    ]


def send(
    namespace: Namespace, name: str, bodies: Sequence[object], verb: str = "predict", ca: str = ""
) -> list[Answer]:
    """POST the bodies one after the other to the ModelDeployment's Service; encrypted where a `ca` vouches for it."""
    host = f"https://{name}.{namespace.name}.svc" if ca else f"http://{name}"
    asked = {"url": f"{host}:8501/v1/models/{name}:{verb}", "bodies": list(bodies), "ca": ca}
    said = namespace.pod_exec("files", f"python3 -c {shlex.quote(SEND)}", stdin=json.dumps(asked))
    return [Answer(*one) for one in json.loads(said)]


class Load:
    """A request every few milliseconds for as long as the block runs, or until `end`."""

    def __init__(self, namespace: Namespace, *script: str) -> None:
        command = ["kubectl", "-n", namespace.name, "exec", "-i", "files", "--", "python3", "-c", *script]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @staticmethod
    def rest(namespace: Namespace, name: str) -> Load:
        """Requests for a prediction of the ModelDeployment, half of them over a connection that is kept."""
        body = json.dumps({"instances": [rows()[0][0]]})
        return Load(namespace, LOAD, name, f"/v1/models/{name}:predict", body)

    @staticmethod
    def grpc(namespace: Namespace, name: str) -> Load:
        """The same over gRPC with upstream's messages, by four channels that are left to themselves."""
        columns = {key: np.array([value], np.float32) for key, value in rows()[0][0].items()}
        message = base64.b64encode(request(columns, name=name).SerializeToString()).decode()
        return Load(namespace, CALLS, name, "/tensorflow.serving.PredictionService/Predict", message)

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.communicate(timeout=60)

    def end(self) -> dict[str, Any]:
        """How many requests were `done`, and which of them `failed`, with the second in which they did."""
        text, _ = self._process.communicate(timeout=60)
        found: dict[str, Any] = json.loads(text)
        return found


def pods(namespace: Namespace, name: str) -> list[dict[str, Any]]:
    """The pods of a ModelDeployment that are not being deleted."""
    found = namespace.list("pods", f"ropewalk.dev/modeldeployment={name}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def monitoring(namespace: Namespace, pod: dict[str, Any], path: str) -> str:
    """What a server says on its monitoring port, read through the API server."""
    place = f"/api/v1/namespaces/{namespace.name}/pods/{pod['metadata']['name']}:8502/proxy{path}"
    return kubectl("get", "--raw", place).stdout


def lives(namespace: Namespace, name: str) -> list[int | None]:
    """The version that each pod itself says it answers with."""
    return [json.loads(monitoring(namespace, pod, "/status"))["live"] for pod in pods(namespace, name)]


def answered(namespace: Namespace, name: str) -> list[dict[str, float]]:
    """For each pod the requests that it has answered with 200, by version."""
    found = []
    for pod in pods(namespace, name):
        counts: dict[str, float] = defaultdict(float)
        for labels, value in ANSWERED.findall(monitoring(namespace, pod, "/metrics")):
            version = re.search(r'version="(\d+)"', labels)
            counts[version[1] if version else ""] += float(value)
        found.append(dict(counts))
    return found


def ask(namespace: Namespace, service: str, path: str, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
    """One HTTP request from inside the cluster: status and answer."""
    sent = {"content-type": "application/json", **headers}
    payload = base64.b64encode(json.dumps(body).encode()).decode()
    script = (
        'python3 -c "import base64,urllib.request,urllib.error,sys\n'
        f"r=urllib.request.Request('http://{service}:8501{path}',base64.b64decode('{payload}'),"
        f"{sent})\n"
        "try:\n a=urllib.request.urlopen(r,timeout=10)\nexcept urllib.error.HTTPError as e:\n a=e\n"
        'print(a.status);print(a.read().decode())"'
    )
    done = eventually(
        lambda: namespace.try_exec("files", script),
        until=lambda one: one.returncode == 0 or "refused" not in one.stderr,
        seconds=5,  # kube-proxy programs a Service within a second or two of its first ready pod
    )
    assert done.returncode == 0, done.stderr
    status, answer = done.stdout.split("\n", 1)
    return int(status), json.loads(answer)
