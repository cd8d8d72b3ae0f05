"""Runs that the cluster takes away or never lets start: out of memory, evicted, an image that is not there."""

from __future__ import annotations

import json

import pytest

from tests.cancer import cancer_csv
from tests.cluster.image_pulls import MISSING, SOON, told_after
from tests.cluster.resources import example, finished, pipeline, write_csv
from tests.polling import eventually
from tests.support import Namespace, kubectl


@pytest.fixture(scope="module")
def data(namespace: Namespace) -> Namespace:
    """A namespace with the example's data."""
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    return namespace


def reasons(namespace: Namespace, name: str) -> list[str]:
    """What the Events of a resource are about, with their messages."""
    found = (e for e in namespace.list("events") if e["involvedObject"]["name"] == name)
    return [f"{event['reason']}: {event['message']}" for event in found]


def test_a_run_that_the_kernel_kills_for_its_memory_gets_more(data: Namespace) -> None:
    """TensorFlow does not fit into 200 MiB; the second attempt has ten times as much, and nobody had to ask."""
    resources = {"requests": {"memory": "200Mi"}, "limits": {"memory": "200Mi"}}
    train = {**example("pipeline.yaml")["spec"]["train"], "resources": resources}
    retry = {"limit": 1, "onOutOfMemory": {"factor": "10", "max": "3Gi"}}
    data.apply(pipeline("greedy", train=train, retry=retry, triggers={}))
    ended = finished(data, "greedy")
    assert ended["status"]["history"][-1]["result"] == "Succeeded", ended["status"]
    job = ended["status"]["run"]["jobs"][0]
    assert (job["attempts"], job["failures"]) == (2, 1)
    assert job["memoryLimit"] == "2000Mi"
    assert any("AttemptFailed" in one and "OutOfMemory" in one for one in reasons(data, "greedy"))
    pods = data.list("pods", "ropewalk.dev/pipeline=greedy")
    first = min(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])
    assert first["status"]["initContainerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


def test_an_evicted_run_is_repeated_and_costs_no_retry(data: Namespace) -> None:
    """By the eviction API, as a drain does it, while the container is at work."""
    data.apply(pipeline("evicted", retry={"limit": 0}, triggers={}))
    eventually(
        lambda: data.get("pipeline", "evicted").get("status", {}).get("summary", {}),
        until=lambda s: s.get("result") == "Running",
        seconds=60,
    )
    pod = data.list("pods", "ropewalk.dev/pipeline=evicted")[0]["metadata"]["name"]
    meta = {"name": pod, "namespace": data.name}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    place = f"/api/v1/namespaces/{data.name}/pods/{pod}/eviction"
    kubectl("create", "--raw", place, "-f", "-", stdin=json.dumps(eviction))
    ended = finished(data, "evicted")
    assert ended["status"]["history"][-1]["result"] == "Succeeded", ended["status"]
    job = ended["status"]["run"]["jobs"][0]
    assert (job["attempts"], job["failures"], job["disruptions"]) == (2, 0, 1)
    assert any("AttemptFailed" in one and "Disrupted" in one for one in reasons(data, "evicted"))


def test_a_missing_image_is_named_within_5_s_of_kubelets_word(data: Namespace) -> None:
    """In the Pipeline's message, and not as Running."""
    train = {**example("pipeline.yaml")["spec"]["train"], "image": MISSING}
    data.apply(pipeline("bad-image", train=train, triggers={}))
    assert told_after(data, "pipeline", "bad-image") < SOON
    assert data.get("pipeline", "bad-image")["status"]["summary"]["result"] == "Starting"
