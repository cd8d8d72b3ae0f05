"""What goes wrong in a cluster, on the real one: each trouble gets a clear word in status, and nothing is lost."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from examples.demo import FILES_POD
from tests.cancer import cancer_csv
from tests.cluster.resources import CLAIM, example, finished, pipeline, write_csv
from tests.polling import eventually
from tests.support import Namespace, condition, kubectl


def summary(namespace: Namespace, name: str) -> dict[str, Any]:
    """The columns of a Pipeline."""
    found: dict[str, Any] = namespace.get("pipeline", name).get("status", {}).get("summary", {})
    return found


def message(namespace: Namespace, name: str, word: str, seconds: float = 30) -> str:
    """The Pipeline's message once it has the word."""
    seen = eventually(lambda: summary(namespace, name), until=lambda s: word in s.get("message", ""), seconds=seconds)
    return str(seen["message"])


def test_a_request_that_no_node_can_take_is_named(namespace: Namespace) -> None:
    """In the scheduler's words, and not as Running."""
    train = {**example("pipeline.yaml")["spec"]["train"], "resources": {"requests": {"cpu": "500"}}}
    namespace.apply(pipeline("too-big", train=train))
    assert "cpu" in message(namespace, "too-big", "Unschedulable").lower()
    assert summary(namespace, "too-big")["result"] == "Starting"


def test_a_config_map_that_is_not_there_is_named_and_the_run_goes_on_when_it_comes(namespace: Namespace) -> None:
    """kubelet says so in Events only; the status says it too."""
    source = {"uri": "configmap://rows/train.csv", "format": "CSV"}
    namespace.apply(pipeline("from-map", source=source))
    assert "rows" in message(namespace, "from-map", "ConfigMapNotFound")
    data = {"train.csv": cancer_csv()}
    namespace.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rows"}, "data": data})
    ended = finished(namespace, "from-map")
    assert ended["status"]["history"][-1]["result"] == "Succeeded", ended["status"]


def test_a_container_that_dies_is_told_with_reason_and_exit_code_within_seconds(namespace: Namespace) -> None:
    """The server's image has no TensorFlow, so a trainer in it ends at once; status says so 5 s after kubelet."""
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    train = {**example("pipeline.yaml")["spec"]["train"], "image": "localhost/ropewalk/server:dev"}
    namespace.apply(pipeline("dies", train=train, retry={"limit": 0}))
    entry = eventually(
        lambda: (namespace.get("pipeline", "dies").get("status", {}).get("history") or [{}])[-1],
        until=lambda h: h.get("result") == "Failed",
        seconds=60,
    )
    seen = datetime.now(UTC)
    failure = namespace.get("pipeline", "dies")["status"]["run"]["failure"]
    assert failure["exitCode"] == 1
    assert failure["message"]
    assert any("Error" in line for line in failure["log"]), failure
    assert entry["reason"]
    pod = namespace.list("pods", "ropewalk.dev/pipeline=dies")[0]
    ended = pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["finishedAt"]
    assert (seen - datetime.fromisoformat(ended)).total_seconds() < 6, "5 s, and the second that kubelet rounds down"


def test_an_edit_in_mid_run_changes_nothing_of_it_and_starts_the_next(namespace: Namespace) -> None:
    """The run in flight works from its frozen spec."""
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    namespace.apply(pipeline("edited"))
    eventually(lambda: summary(namespace, "edited").get("result") == "Running", seconds=60)
    patch = json.dumps({"spec": {"train": {"seed": 5}}})
    kubectl("-n", namespace.name, "patch", "pipeline", "edited", "--type=merge", "-p", patch)
    ended = finished(namespace, "edited", run=2)
    history = ended["status"]["history"]
    assert [h["id"] for h in history] == [1, 2]
    assert history[0]["result"] == "Succeeded"
    assert history[1]["trigger"] == "SpecChange"


def test_deletion_in_mid_run_takes_everything_along_but_the_store(namespace: Namespace) -> None:
    """And a namesake does not inherit the store by accident."""
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    namespace.apply(pipeline("deleted"))
    eventually(lambda: summary(namespace, "deleted").get("result") == "Running", seconds=60)
    kubectl("-n", namespace.name, "delete", "pipeline", "deleted", "--timeout=30s")
    for kind in ("jobs", "pods", "configmaps"):
        eventually(
            lambda kind=kind: namespace.list(kind, "ropewalk.dev/pipeline=deleted"),
            until=lambda found: not found,
            seconds=60,
        )
    namespace.apply(pipeline("deleted"))
    last = finished(namespace, "deleted")["status"]["history"][-1]
    assert (last["result"], last["reason"]) == ("Failed", "StoreOwnedByAnother"), last
    assert "adopt-store" in last["message"]
    kubectl("-n", namespace.name, "annotate", "pipeline", "deleted", "ropewalk.dev/adopt-store=true")
    kubectl("-n", namespace.name, "annotate", "pipeline", "deleted", "ropewalk.dev/run-requested-at=now")
    last = finished(namespace, "deleted", run=2)["status"]["history"][-1]
    assert last["result"] == "Succeeded", last


def test_namesakes_in_two_namespaces_do_not_meet(namespace: Namespace) -> None:
    """The same names, claims and paths: each has its own runs, versions and servers."""
    other = Namespace(f"test-{uuid.uuid4().hex[:8]}")
    kubectl("create", "namespace", other.name)
    try:
        claims = [{**CLAIM, "metadata": {"name": claim}} for claim in ("data", "models")]
        other.apply(*claims, {**FILES_POD, "metadata": {"name": "files", "namespace": other.name}})
        kubectl("-n", other.name, "wait", "--for=condition=Ready", "pod/files", "--timeout=60s")
        for space in (namespace, other):
            write_csv(space, "cancer/train.csv", cancer_csv())
            space.apply(pipeline("twin"))
        uids = set()
        for space in (namespace, other):
            champion = finished(space, "twin")["status"]["champion"]
            assert champion["version"] == 1
            assert f"/{space.name}/twin/" in champion["uri"]
            uids |= {job["metadata"]["name"] for job in space.list("jobs", "ropewalk.dev/pipeline=twin")}
        assert len(uids) == 2
    finally:
        kubectl("delete", "namespace", other.name, "--wait=false")


def test_a_server_that_cannot_start_is_told_with_reason_and_exit_code(namespace: Namespace) -> None:
    """A memory limit that no server fits into: not Ready, and the reason within seconds."""
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    namespace.apply(pipeline("cancer"))
    finished(namespace, "cancer")
    manifest = example("modeldeployment.yaml")
    manifest["metadata"]["name"] = "tiny"
    manifest["spec"]["serving"] = {"resources": {"requests": {"memory": "12Mi"}, "limits": {"memory": "12Mi"}}}
    namespace.apply(manifest)
    seen = eventually(
        lambda: namespace.get("modeldeployment", "tiny"),
        until=lambda m: m.get("status", {}).get("lastFailure", {}).get("reason") not in (None, ""),
        seconds=60,
    )
    assert condition(seen, "Ready")["status"] == "False"
    failure = seen["status"]["lastFailure"]
    assert failure["reason"] in ("OutOfMemory", "Crashed", "ContainerCreateFailed"), failure
    assert seen["status"]["summary"]["message"]


def unserved(name: str, claim: str, **serving: Any) -> dict[str, Any]:
    """A ModelDeployment of a model that nobody has made."""
    manifest = example("modeldeployment.yaml")
    manifest["metadata"]["name"] = name
    model = {"uri": f"pvc://{claim}/none/1", "digest": "sha256:" + "0" * 64}
    manifest["spec"] |= {"model": model, "serving": serving}
    return manifest


def test_servers_that_no_node_takes_or_whose_claim_is_not_there_are_named(namespace: Namespace) -> None:
    """In the scheduler's words the one, by its name the other; neither is Ready, nor forgotten when help comes."""
    namespace.apply(
        unserved("too-big", "models", resources={"requests": {"cpu": "500"}}), unserved("claimless", "not-yet")
    )

    def status(name: str) -> dict[str, Any]:
        return namespace.get("modeldeployment", name).get("status", {})

    for name, word in (("too-big", "Unschedulable"), ("claimless", "not-yet")):
        seen = eventually(
            lambda name=name: status(name),
            until=lambda s, word=word: word in s.get("summary", {}).get("message", ""),
            seconds=30,
        )
        assert condition({"status": seen}, "Ready")["status"] == "False"
    assert "cpu" in status("too-big")["summary"]["message"].lower()
    namespace.apply({**CLAIM, "metadata": {"name": "not-yet"}})
    eventually(
        lambda: status("claimless"),
        until=lambda s: "ModelNotFound" in s.get("summary", {}).get("message", ""),
        seconds=90,
    )
