"""The walls around what is live: versions that kill their process or do not fit, and rollouts that are broken off."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.resources import LONGEST, example
from tests.cluster.traffic import pods, rows, send
from tests.polling import eventually
from tests.support import Namespace, condition, kubectl

COPY = """
import json, pathlib, shutil, sys
from ropewalk_model import manifest
place, number, numbers, loaded = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
copy = place / number
shutil.copytree(place / "1", copy)
if numbers:
    (copy / manifest.EXAMPLES).write_text('{"more": [' + "0.5," * numbers + "0.5]}")
was = json.loads((copy / manifest.MANIFEST).read_text())
made = manifest.build_manifest(
    copy, made_from=was["madeFrom"], engines=was["engines"], loaded_bytes=loaded or was["loadedBytes"]
)
manifest.write_manifest(copy, made)
"""
INSIDE = """
import json, os, shutil
def writable(place):
    try:
        os.close(os.open(place + "/it", os.O_CREAT | os.O_WRONLY))
        return True
    except OSError:
        return False
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "user": os.getuid(),
    "capabilities": [int(status[kind], 16) for kind in ("CapEff", "CapPrm", "CapBnd")],
    "noNewPrivileges": int(status["NoNewPrivs"]),
    "seccomp": int(status["Seccomp"]),
    "shells": [name for name in ("sh", "bash", "dash", "rbash", "ash", "zsh", "busybox") if shutil.which(name)],
    "writable": [place for place in ("/", "/opt/ropewalk", "/opt/venv", "/usr/bin", "/etc", "/var") if writable(place)],
    "token": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"),
}))
"""
GREEDY, HUGE = 9, 8
NOWHERE: dict[str, Any] = {
    "pipeline": None,
    "version": None,
    "uri": "pvc://nowhere/models/7",
    "digest": "sha256:" + "0" * 64,
}
PINNED: dict[str, Any] = {"pipeline": LONGEST, "version": 1, "uri": None, "digest": None}
CHILDREN = (
    "deployments",
    "pods",
    "services",
    "configmaps",
    "serviceaccounts",
    "poddisruptionbudgets",
    "networkpolicies",
)


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    """A ModelDeployment pinned to version 1, in pods of 256 MiB."""
    found = example("modeldeployment.yaml")
    found["metadata"]["name"] = name
    memory = {"requests": {"memory": "128Mi"}, "limits": {"memory": "256Mi"}}
    model = {"pipeline": LONGEST, "version": 1}
    found["spec"] |= {"model": model, "serving": {"resources": memory}, **spec}
    return found


def point(namespace: Namespace, name: str, **model: Any) -> None:
    """Change what is served."""
    body = json.dumps({"spec": {"model": model}})
    kubectl("-n", namespace.name, "patch", "modeldeployment", name, "--type=merge", "-p", body)


def seen(
    namespace: Namespace, name: str, until: Callable[[dict[str, Any]], object], seconds: float = 60
) -> dict[str, Any]:
    """The ModelDeployment once it is as `until` wants it."""
    return eventually(
        lambda: namespace.get("modeldeployment", name),
        until=lambda m: bool("status" in m and until(m)),
        seconds=seconds,
    )


def is_ready(found: dict[str, Any]) -> bool:
    """All pods answer, with version 1."""
    status = found["status"]
    return bool(status.get("readyReplicas") == found["spec"]["replicas"] and status.get("live", {}).get("version") == 1)


def refused(found: dict[str, Any], version: int) -> dict[str, Any]:
    """Why a version was quarantined; empty while it is not."""
    return next((one for one in found["status"].get("quarantined", []) if one["version"] == version), {})


@pytest.fixture(scope="module")
def walled(versioned: Namespace) -> Namespace:
    """Deployments at version 1, and copies of it in the store with manifests of their own: one that takes 500 MiB to
    read although it says nothing of it, and one that says it takes 10 GiB. `tight` is on its way to the latter."""
    place = f"/data/ropewalk/{versioned.name}/{LONGEST}/models"
    for version, numbers, loaded in ((GREEDY, 16_000_000, 0), (HUGE, 0, 10 << 30)):
        versioned.pod_exec("store", f"python3 -c {shlex.quote(COPY)} {place} {version} {numbers} {loaded}")
    versioned.apply(deployment("walls", replicas=2), deployment("tight"), deployment("edited"))
    for name in ("walls", "tight", "edited"):
        seen(versioned, name, is_ready)
    point(versioned, "tight", version=HUGE)
    return versioned


def test_who_breaks_into_a_server_finds_nothing(walled: Namespace) -> None:
    """As its process sees it, not as its manifest says it."""
    pod = pods(walled, "walls")[0]
    said = json.loads(kubectl("-n", walled.name, "exec", pod["metadata"]["name"], "--", "python3", "-c", INSIDE).stdout)
    assert said == {
        "user": 65532,
        "capabilities": [0, 0, 0],
        "noNewPrivileges": 1,
        "seccomp": 2,
        "shells": [],
        "writable": [],
        "token": False,
    }


def test_a_version_that_kills_its_process_costs_one_restart_of_one_pod(walled: Namespace) -> None:
    """The kernel kills the pilot while it loads: it comes back without that version, which is tried nowhere else."""
    point(walled, "walls", version=GREEDY)
    found = seen(walled, "walls", lambda m: refused(m, GREEDY))
    assert refused(found, GREEDY)["reason"] == "CrashedWhileLoading", found["status"]
    found = seen(walled, "walls", is_ready)
    restarts = sorted(pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods(walled, "walls"))
    assert restarts == [0, 1]
    rolled_back = condition(found, "RolledBack")
    assert (rolled_back["status"], rolled_back["reason"]) == ("True", "CrashedWhileLoading")
    assert not found["status"].get("candidate")
    answers = send(walled, "walls", [{"instances": [row]} for row, _ in rows()[:10]])
    assert {answer.status for answer in answers} == {200}


def test_an_edit_in_mid_rollout_goes_back_as_if_nothing_had_been(walled: Namespace) -> None:
    """A version on a claim that is not there waits, and the message names it; the pod that answers never changes."""
    before = [pod["metadata"]["uid"] for pod in pods(walled, "edited")]
    point(walled, "edited", **NOWHERE)
    found = seen(walled, "edited", lambda m: "nowhere" in m["status"]["summary"].get("message", ""))
    assert found["status"]["candidate"]["version"] == 7
    assert found["status"]["live"]["version"] == 1
    assert condition(found, "Ready")["status"] == "True"
    assert send(walled, "edited", [{"instances": [rows()[0][0]]}])[0].status == 200
    point(walled, "edited", **PINNED)
    seen(
        walled,
        "edited",
        lambda m: is_ready(m) and not m["status"].get("candidate") and not m["status"]["summary"].get("message"),
    )
    eventually(lambda: [pod["metadata"]["uid"] for pod in pods(walled, "edited")], until=lambda uids: uids == before)


def test_deletion_in_mid_rollout_leaves_nothing_behind(walled: Namespace) -> None:
    """Neither the pod that answers nor the one that waits, nor any other child."""
    point(walled, "edited", **NOWHERE)
    seen(walled, "edited", lambda m: m["status"].get("candidate"))
    kubectl("-n", walled.name, "delete", "modeldeployment", "edited", "--timeout=30s")

    def left() -> list[str]:
        found = (one for kind in CHILDREN for one in walled.list(kind, "ropewalk.dev/modeldeployment=edited"))
        return [f"{one['kind']} {one['metadata']['name']}" for one in found]

    eventually(left, until=lambda names: not names, seconds=90)


def test_a_version_that_does_not_fit_is_not_tried(walled: Namespace) -> None:
    """By what its manifest says it takes, without a restart; memory may come free, so it is given a minute."""
    found = seen(walled, "tight", lambda m: refused(m, HUGE), seconds=120)
    why = refused(found, HUGE)
    assert why["reason"] == "InsufficientMemory", why
    assert "10240 MiB" in why["message"]
    assert is_ready(found)
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods(walled, "tight")] == [0]
