"""Names that meet: models under one version number, and objects that belong to somebody else."""

from __future__ import annotations

import subprocess
from typing import Any

from tests.cluster.resources import LONGEST, deployment, patch, pipeline, ready
from tests.cluster.traffic import Load, pods, rows, send
from tests.polling import eventually, throughout
from tests.support import Namespace, condition, kubectl


def test_a_model_of_the_same_number_takes_over_without_a_failed_request(versioned: Namespace) -> None:
    """Directories without a number are all version 1; servers know the newcomer under a free one, then all rests."""
    champion = versioned.get("pipeline", LONGEST)["status"]["champion"]
    directory = champion["uri"].removeprefix("pvc://models/")
    versioned.pod_exec("store", f"mkdir -p /data/copies && cp -r /data/{directory} /data/copies/other")
    models = [
        {"uri": uri, "digest": champion["manifestDigest"]} for uri in (champion["uri"], "pvc://models/copies/other")
    ]
    versioned.apply(deployment("moved", model=models[0]))
    ready(versioned, "moved")
    before = [pod["metadata"]["uid"] for pod in pods(versioned, "moved")]
    row = {"instances": [rows()[0][0]]}
    eventually(lambda: answers(versioned, row))

    with Load.rest(versioned, "moved") as load:
        patch(versioned, "moved", model=models[1])
        live = eventually(
            lambda: versioned.get("modeldeployment", "moved")["status"]["live"],
            until=lambda found: found["uri"] == models[1]["uri"],
            seconds=30,
        )
        said = load.end()
    assert (live["version"], live["servedAs"]) == (1, 2)
    assert said["failed"] == [], said
    assert [pod["metadata"]["uid"] for pod in pods(versioned, "moved")] == before

    def revision() -> Any:
        return versioned.get("modeldeployment", "moved")["status"]["routes"]["revision"]

    eventually(lambda: versioned.get("modeldeployment", "moved")["status"].get("candidate"), until=lambda c: not c)
    settled = revision()  # the rollout has ended, and nothing is tried any more
    throughout(revision, until=lambda now: now == settled, seconds=5)


def answers(namespace: Namespace, body: dict[str, Any]) -> bool:
    """Whether the Service leads to the pod already: kube-proxy may learn of it after the operator."""
    try:
        return send(namespace, "moved", [body])[0].status == 200
    except subprocess.CalledProcessError:
        return False


def test_a_service_of_somebody_else_is_left_alone(versioned: Namespace) -> None:
    """It is named with what to do, nothing else is made meanwhile, and all goes on once it is away."""
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "taken"},
        "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]},
    }
    versioned.apply(theirs)
    uid = versioned.get("service", "taken")["metadata"]["uid"]
    versioned.apply(deployment("taken"))
    stalled = eventually(
        lambda: condition(versioned.get("modeldeployment", "taken"), "Stalled"),
        until=lambda found: found.get("status") == "True",
    )
    assert stalled["reason"] == "NameTaken"
    assert "Service taken" in stalled["message"]
    found = versioned.get("service", "taken")
    assert (found["metadata"]["uid"], found["spec"]["selector"]) == (uid, {"app": "theirs"})
    assert "ownerReferences" not in found["metadata"]
    assert pods(versioned, "taken") == []
    kubectl("-n", versioned.name, "delete", "service", "taken")
    ready(versioned, "taken")
    assert versioned.get("service", "taken")["metadata"]["ownerReferences"][0]["kind"] == "ModelDeployment"


def test_a_pod_that_a_quota_refuses_is_told(namespace: Namespace) -> None:
    """The Job's controller says so in Events only."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"count/pods": "1"}},  # `files` is that one
    }
    namespace.apply(quota)
    namespace.apply(pipeline("refused", triggers={}))
    seen = eventually(
        lambda: namespace.get("pipeline", "refused").get("status", {}).get("summary", {}),
        until=lambda found: "PodNotCreated" in found.get("message", ""),
        seconds=30,
    )
    assert "kubectl describe job" in seen["message"]
