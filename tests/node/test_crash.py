"""The operator is killed after every single write; what is left in the cluster always leads to the same end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from tests.node.test_main_job import cancer_csv, example, write_csv
from tests.support import Namespace, condition, eventually, kubectl

OPERATOR = "ropewalk-operator"
HOME = "ropewalk-system"


@pytest.fixture
def alone() -> Iterator[None]:
    """No operator in the cluster while one runs here, since two would hide each other's faults."""
    kubectl("-n", HOME, "scale", f"deployment/{OPERATOR}", "--replicas=0")
    kubectl("-n", HOME, "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=operator", "--timeout=60s")
    yield
    kubectl("-n", HOME, "scale", f"deployment/{OPERATOR}", "--replicas=1")
    kubectl("-n", HOME, "rollout", "status", f"deployment/{OPERATOR}", "--timeout=60s")


def images() -> dict[str, str]:
    """The images that the operator in the cluster was told to use."""
    found = json.loads(kubectl("-n", HOME, "get", "configmaps", "-o", "json").stdout)["items"]
    data: dict[str, str] = next(c["data"] for c in found if c["metadata"]["name"].startswith("ropewalk-images"))
    return data


class MortalOperator:
    """An operator outside the cluster that dies right after its first write, again and again."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.lives = 0
        self._process: subprocess.Popen[bytes] | None = None

    def keep_alive(self, fault: str) -> None:
        """Start it again if it has died."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            assert self._process.returncode == 137, "the operator ended otherwise than by the fault"
        self.lives += 1
        command = [sys.executable, "-m", "ropewalk.cli.main", "operator", "--kubeconfig", os.environ["KUBECONFIG"]]
        command += ["--namespace", self._namespace, "--operator-namespace", self._namespace]
        command += ["--identity", "mortal", "--port", "18080"]
        self._process = subprocess.Popen(command, env={**os.environ, **images(), "ROPEWALK_FAULT": fault})

    def stop(self) -> None:
        """End it for good."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)


def test_a_crash_after_every_write_leads_to_the_same_end(namespace: Namespace, alone: None) -> None:
    """One write a life: the run still ends once, with one Job, and the model is served."""
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    namespace.apply(example("pipeline.yaml"), example("modeldeployment.yaml"))
    operator = MortalOperator(namespace.name)

    def look() -> tuple[str, str]:
        operator.keep_alive("crash:1:after")
        served = namespace.get("modeldeployment", "cancer")
        return condition(served, "Ready").get("status", ""), served.get("status", {}).get("summary", {}).get(
            "message", ""
        )

    try:
        eventually(look, until=lambda seen: seen[0] == "True", seconds=400)
    finally:
        operator.stop()
    assert operator.lives > 10
    status = namespace.get("pipeline", "cancer")["status"]
    assert [h["result"] for h in status["history"]] == ["Succeeded"]
    assert status["champion"]["version"] == 1
    jobs = namespace.list("jobs", "ropewalk.dev/pipeline=cancer")
    assert len(jobs) <= 1, [job["metadata"]["name"] for job in jobs]
    created = [
        e
        for e in namespace.list("events")
        if e["reason"] == "SuccessfulCreate" and e["involvedObject"]["kind"] == "Job"
    ]
    assert len(created) == 1, "one pod of one Job"


def test_two_operators_share_the_work_without_a_second_job(namespace: Namespace, alone: None) -> None:
    """Only the holder of the Lease writes."""
    name = f"twice-{uuid.uuid4().hex[:6]}"
    manifest = example("pipeline.yaml")
    manifest["metadata"]["name"] = name
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    base = [sys.executable, "-m", "ropewalk.cli.main", "operator", "--kubeconfig", os.environ["KUBECONFIG"]]
    base += ["--namespace", namespace.name, "--operator-namespace", namespace.name]
    both = [
        subprocess.Popen([*base, "--identity", f"o{port}", "--port", str(port)], env={**os.environ, **images()})
        for port in (18081, 18082)
    ]
    try:
        namespace.apply(manifest)
        eventually(lambda: namespace.get("pipeline", name).get("status", {}).get("history", []), seconds=120)
    finally:
        for process in both:
            process.terminate()
        for process in both:
            process.wait(20)
    assert len(namespace.list("jobs", f"ropewalk.dev/pipeline={name}")) == 1
