"""A server's start, size and speed, and the switch to a new champion under load."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.cluster import EXAMPLES, Api, is_true, manifest, namespace, wait
from benchmarks.report import emit
from tests.cancer import cancer_csv
from tests.support import Namespace, kubectl

RUNS = 5
LUA = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
local file = io.open("{body}"); wrk.body = file:read("*a"); file:close()
"""


def row(number: int) -> dict[str, float]:
    """One row of the data as the model's inputs."""
    lines = cancer_csv().splitlines()
    names = [name.replace(" ", "_") for name in lines[0].split(",")]
    return {k: float(v) for k, v in zip(names, lines[number + 1].split(","), strict=True) if k != "diagnosis"}


def wrk(url: str, rows: int, seconds: int, connections: int = 16) -> dict[str, float]:
    """requests/s, p50 and p99 in ms, and failed requests of a load of `rows` rows a request."""
    with tempfile.TemporaryDirectory() as directory:
        body, script = Path(directory, "body.json"), Path(directory, "post.lua")
        body.write_text(json.dumps({"instances": [row(i) for i in range(rows)]}))
        script.write_text(LUA.format(body=body))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}

    def percentile(name: str) -> float:
        found = re.search(rf"{name}%\s+([0-9.]+)(us|ms|s)", text)
        return float(found[1]) * scale[found[2]] if found else float("nan")

    errors = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", text))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", text)
    return {
        "rate": float(rate[1]) if rate else 0.0,
        "p50": percentile("50"),
        "p99": percentile("99"),
        "failed": errors + (int(refused[1]) if refused else 0),
    }


def server_pods(api: Api, space: Namespace, model: str = "cancer") -> list[dict[str, Any]]:
    """The live pods of the deployment."""
    found = api.pods(space, f"ropewalk.dev/modeldeployment={model}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def fresh_pods(api: Api, space: Namespace, model: str) -> Iterator[tuple[str, float]]:
    """One new pod after the other in place of the one before: its name, and the seconds from created to Ready."""
    for _ in range(RUNS):
        old = {p["metadata"]["uid"] for p in server_pods(api, space, model)}

        def new(old: set[str] = old) -> list[dict[str, Any]]:
            return [p for p in server_pods(api, space, model) if p["metadata"]["uid"] not in old]

        kubectl("-n", space.name, "delete", "pod", "-l", f"ropewalk.dev/modeldeployment={model}", "--wait=false")
        wait(new)
        created = time.monotonic()
        wait(lambda new=new: any(is_true(pod, "Ready") for pod in new()))
        yield new()[0]["metadata"]["name"], time.monotonic() - created


def start(api: Api, space: Namespace) -> None:
    """Pod created to Ready; what the image takes unpacked, and the process in memory."""
    seconds, megabytes, resident = [], [], []
    for pod, took in fresh_pods(api, space, "cancer"):
        seconds.append(took)
        megabytes.append(int(space.pod_exec(pod, "du -sx --block-size=1000000 / 2>/dev/null | cut -f1")))
        resident.append(memory(space, pod))
    emit("serving", "server pod created to Ready", seconds, "s", 2, "a trivial container: 0.7 s")
    emit("serving", "server image unpacked", megabytes, "MB", 450)
    emit("serving", "resident memory with the cancer model", resident, "MiB", 120)


def memory(space: Namespace, pod: str) -> float:
    """Resident memory of a server in MiB."""
    return int(space.pod_exec(pod, "grep VmRSS /proc/1/status").split()[1]) / 1024


def digits(api: Api, space: Namespace) -> None:
    """Train and serve the digits example beside."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, str(EXAMPLES / "digits/make_data.py"), directory], check=True)
        data = base64.b64encode(Path(directory, "digits.parquet").read_bytes()).decode()
    space.pod_exec("files", "mkdir -p /data/digits && base64 -d > /data/digits/digits.parquet", stdin=data)
    space.apply(manifest("digits", "pipeline.yaml"), manifest("digits", "modeldeployment.yaml"))
    wait(lambda: is_true(api.resource(space, "modeldeployments", "digits"), "Ready"))
    resident = [memory(space, pod) for pod, _ in fresh_pods(api, space, "digits")]
    emit("serving", "resident memory with the digits model", resident, "MiB", 120)
    kubectl("-n", space.name, "delete", "pipeline,modeldeployment", "digits")


def speed(api: Api, space: Namespace) -> None:
    """:predict over one pod, load generator on the same machine."""
    url = f"http://{server_pods(api, space)[0]['status']['podIP']}:8501/v1/models/cancer:predict"
    wrk(url, 1, 2)
    one = [wrk(url, 1, 5) for _ in range(RUNS)]
    emit("serving", "predict, 1 row a request", [r["rate"] for r in one], "requests/s")
    emit("serving", "predict, 1 row a request, p50", [r["p50"] for r in one], "ms")
    emit("serving", "predict, 1 row a request, p99", [r["p99"] for r in one], "ms")
    many = [wrk(url, 100, 5) for _ in range(RUNS)]
    emit("serving", "predict, 100 rows a request", [100 * r["rate"] for r in many], "rows/s")
    emit("serving", "predict, 100 rows a request, p50", [r["p50"] for r in many], "ms")
    emit("serving", "predict, 100 rows a request, p99", [r["p99"] for r in many], "ms")
    emit("serving", "failed requests", sum(r["failed"] for r in one + many), "requests", 0)


def lives(pods: list[dict[str, Any]]) -> set[Any]:
    """The live versions that the pods themselves report."""
    seen = set()
    for pod in pods:
        with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8502/status", timeout=5) as answer:
            seen.add(json.load(answer)["live"])
    return seen


def switch(api: Api, space: Namespace) -> None:
    """A person promotes another version: how long until every pod answers with it, and what fails meanwhile."""
    kubectl("-n", space.name, "patch", "modeldeployment", "cancer", "--type=merge", "-p", '{"spec":{"replicas":2}}')
    wait(lambda: sum(is_true(p, "Ready") for p in server_pods(api, space)) == 2)
    kubectl("-n", space.name, "annotate", "pipeline", "cancer", "ropewalk.dev/run-requested-at=again")
    wait(lambda: len(api.resource(space, "pipelines", "cancer")["status"].get("history", [])) >= 2)
    seconds, failed = [], 0.0
    service = api.json(f"/api/v1/namespaces/{space.name}/services/cancer")["spec"]["clusterIP"]
    for _ in range(RUNS):
        target = 2 if lives(server_pods(api, space)) == {1} else 1
        command = ["annotate", "--overwrite", "pipeline", "cancer", f"ropewalk.dev/promote={target}"]
        # Connections are spread over the pods at random: some more go to each of them.
        each = [pod["status"]["podIP"] for pod in server_pods(api, space)]
        loads = [_Load(service, 4), *(_Load(address, 2) for address in each)]
        time.sleep(1)
        promoted = time.monotonic()
        kubectl("-n", space.name, *command)
        wait(lambda target=target: lives(server_pods(api, space)) == {target}, 60)
        seconds.append(time.monotonic() - promoted)
        failed += sum(load.failed() for load in loads)
    emit("serving", "new champion in the store to live in all pods", seconds, "s", 3)
    emit("serving", f"failed requests while the champion changed {RUNS} times", failed, "requests", 0)


class _Load:
    """A constant load in the background, of one row a request over so many connections."""

    def __init__(self, address: str, connections: int) -> None:
        self._directory = tempfile.TemporaryDirectory()
        body, script = Path(self._directory.name, "body.json"), Path(self._directory.name, "post.lua")
        body.write_text(json.dumps({"instances": [row(0)]}))
        script.write_text(LUA.format(body=body))
        url = f"http://{address}:8501/v1/models/cancer:predict"
        command = ["wrk", "-t1", f"-c{connections}", "-d8s", "-s", str(script), url]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def failed(self) -> int:
        """Requests that were not answered with 200, once the load has ended."""
        text, _ = self._process.communicate(timeout=60)
        self._directory.cleanup()
        sent = re.search(r"(\d+) requests in", text)
        if self._process.returncode or sent is None or sent[1] == "0":
            raise RuntimeError(f"wrk failed: {text}")
        errors = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", text))
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        return errors + (int(refused[1]) if refused else 0)


def main(api: Api) -> None:
    """Print the figures of serving."""
    with namespace() as space:
        pipeline = manifest("tabular", "pipeline.yaml", evaluate={}, triggers={})
        space.apply(pipeline, manifest("tabular", "modeldeployment.yaml"))
        wait(lambda: is_true(api.resource(space, "modeldeployments", "cancer"), "Ready"))
        start(api, space)
        digits(api, space)
        speed(api, space)
        switch(api, space)
