"""From kubectl apply to Ready, beside a bare script that trains and saves the same model in a bare Job."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from benchmarks.cluster import Api, is_true, manifest, namespace, wait
from benchmarks.report import emit
from tests.cluster.operator_outside import images
from tests.support import Namespace, kubectl

RUNS = 5


def bare_job(space: Namespace, number: int) -> dict[str, Any]:
    """The script in the trainer's image, as a Job of the same user, claims and requests as ours."""
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    claims = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in ("data", "models")]
    mounts = [{"name": c, "mountPath": f"/{c}"} for c in ("data", "models")]
    container = {
        "name": "train",
        "image": images()["ROPEWALK_TRAINER_IMAGE"],
        "command": ["python3", "/script/bare_train.py", "/data/cancer/train.csv", "/models/bare"],
        "securityContext": restricted,
        "volumeMounts": [*mounts, {"name": "script", "mountPath": "/script"}],
        "env": [{"name": "TF_CPP_MIN_LOG_LEVEL", "value": "3"}],
    }
    pod = {
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532},
        "containers": [container],
        "volumes": [*claims, {"name": "script", "configMap": {"name": "bare"}}],
    }
    meta = {"name": f"bare-{number}", "namespace": space.name}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }


def bare(api: Api, space: Namespace, number: int) -> tuple[float, float]:
    """Seconds of the Job from apply to its end, and of the container alone."""
    script = {"bare_train.py": (Path(__file__).parent / "bare_train.py").read_text()}
    meta = {"name": "bare", "namespace": space.name}
    space.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": script})
    started = time.monotonic()
    space.apply(bare_job(space, number))
    path = f"/apis/batch/v1/namespaces/{space.name}/jobs/bare-{number}"
    wait(lambda: api.json(path).get("status", {}).get("succeeded"))
    whole = time.monotonic() - started
    pod = api.pods(space, f"job-name=bare-{number}")[0]
    process = kubectl_seconds(pod)
    return whole, process


def kubectl_seconds(pod: dict[str, Any]) -> float:
    """How long the first container of an ended pod ran, in kubelet's whole seconds."""
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    form = "%Y-%m-%dT%H:%M:%SZ"
    return time.mktime(time.strptime(ended["finishedAt"], form)) - time.mktime(time.strptime(ended["startedAt"], form))


def ours(api: Api, space: Namespace) -> tuple[float, float, dict[str, float]]:
    """Seconds from apply to Ready, to the run's end, and the run's stages."""
    started = time.monotonic()
    space.apply(manifest("tabular", "pipeline.yaml", triggers={}), manifest("tabular", "modeldeployment.yaml"))

    def ended() -> Any:
        return (api.resource(space, "pipelines", "cancer").get("status", {}).get("history") or [None])[-1]

    entry = wait(ended)
    if entry["result"] != "Succeeded":
        raise RuntimeError(f"the run ended as {entry}")
    run = time.monotonic() - started
    wait(lambda: is_true(api.resource(space, "modeldeployments", "cancer"), "Ready"))
    ready = time.monotonic() - started
    return ready, run, stages_of(api, space)


def stages_of(api: Api, space: Namespace) -> dict[str, float]:
    """Seconds of each stage, from the run's record in the store, which the server's pod has mounted."""
    pod = api.pods(space, "ropewalk.dev/modeldeployment=cancer")[0]["metadata"]["name"]
    path = f"/ropewalk/claims/models/ropewalk/{space.name}/cancer/runs/1/record.json"
    record = json.loads(space.pod_exec(pod, f"cat {path}"))
    return {name: end - start for name, _, start, end in record["stages"] if start and end}


def main(api: Api) -> None:
    """Print the figures of a run."""
    ready, run, bare_whole, bare_process = [], [], [], []
    stages: dict[str, list[float]] = {}
    for number in range(RUNS):
        with namespace() as space:
            whole, process = bare(api, space, number)
            bare_whole.append(whole)
            bare_process.append(process)
            seconds_ready, seconds_run, seen = ours(api, space)
            ready.append(seconds_ready)
            run.append(seconds_run)
            for name, spent in seen.items():
                stages.setdefault(name, []).append(spent)
            kubectl("-n", space.name, "delete", "pipelines,modeldeployments", "--all", "--wait=true")
    emit("pipeline", "apply of Pipeline and ModelDeployment to Ready", ready, "s", 15)
    for name, seconds in stages.items():
        emit("pipeline", f"stage {name}", seconds, "s")
    ratios = [a / max(b, 1e-9) for a, b in zip(ready, bare_process, strict=True)]
    emit("pipeline", "apply to Ready over a bare script", ratios, "ratio", 2.5, "bare_train.py in one process")
    added = [a - b for a, b in zip(run, bare_whole, strict=True)]
    emit(
        "pipeline",
        "what a run adds to a bare Job",
        added,
        "s",
        5,
        "bare_train.py in a bare Job; Argo adds 6.9 s a step",
    )
