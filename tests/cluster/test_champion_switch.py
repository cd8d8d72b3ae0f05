"""Champions that follow one another in running pods, under load; and what becomes of one that was tampered with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cancer import cancer_csv
from tests.cluster.resources import STORE_POD, example, finished, pipeline, write_csv
from tests.cluster.traffic import Load, answered, lives, pods, rows, send
from tests.polling import eventually
from tests.support import Namespace, condition, kubectl

NAME = "switch"


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    """A ModelDeployment of the Pipeline."""
    found = example("modeldeployment.yaml")
    found["metadata"]["name"] = name
    found["spec"] |= {"model": {"pipeline": NAME}, **spec}
    return found


def promote(namespace: Namespace, version: int) -> None:
    """As a person does it."""
    command = ["annotate", "--overwrite", "pipeline", NAME, f"ropewalk.dev/promote={version}"]
    kubectl("-n", namespace.name, *command)


def patch(namespace: Namespace, kind: str, name: str, spec: dict[str, Any]) -> None:
    """Change a spec."""
    kubectl("-n", namespace.name, "patch", kind, name, "--type=merge", "-p", json.dumps({"spec": spec}))


def settled(namespace: Namespace, name: str, version: int, seconds: float = 30) -> dict[str, Any]:
    """The ModelDeployment once that version is live by its status and nothing is on its way."""
    return eventually(
        lambda: namespace.get("modeldeployment", name).get("status", {}),
        until=lambda s: s.get("live", {}).get("version") == version and not s.get("candidate"),
        seconds=seconds,
    )


@pytest.fixture(scope="module")
def followed(namespace: Namespace) -> Namespace:
    """A Pipeline whose every model is good enough, with version 1 live in two pods; pod `store` sees the versions."""
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    body = pipeline(NAME, evaluate={}, triggers={})
    namespace.apply(STORE_POD, body, deployment(NAME, replicas=2))
    assert finished(namespace, NAME)["status"]["champion"]["version"] == 1
    eventually(
        lambda: namespace.get("modeldeployment", NAME).get("status", {}),
        until=lambda s: s.get("readyReplicas") == 2 and s.get("live", {}).get("version") == 1,
        seconds=60,
    )
    assert send(namespace, NAME, [{"instances": [rows()[0][0]]}])[0].status == 200
    return namespace


def test_champions_come_and_go_under_load_without_a_failed_request_or_a_new_pod(followed: Namespace) -> None:
    """Version 2 by a run, then 1, 2 and 1 again by a person: every pod switches each time, and both have answered."""
    before = {pod["metadata"]["uid"] for pod in pods(followed, NAME)}
    with Load.rest(followed, NAME) as load:
        patch(followed, "pipeline", NAME, {"train": {"seed": 2}})
        ended = finished(followed, NAME, run=2)
        assert ended["status"]["champion"]["version"] == 2, ended["status"]["history"]
        for version in (2, 1, 2, 1):
            if followed.get("pipeline", NAME)["status"]["champion"]["version"] != version:
                promote(followed, version)
            settled(followed, NAME, version)
            eventually(lambda: lives(followed, NAME), until=lambda seen, v=version: seen == [v, v], seconds=10)
        said = load.end()
    assert said["failed"] == [], said
    assert said["done"] > 200
    after = pods(followed, NAME)
    assert {pod["metadata"]["uid"] for pod in after} == before
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in after] == [0, 0]
    for counts in answered(followed, NAME):
        assert set(counts) == {"1", "2"}, counts
    history = followed.get("modeldeployment", NAME)["status"]["history"]
    assert [h["version"] for h in history if h["result"] == "Live"] == [1, 2, 1, 2, 1], history


def tamper(namespace: Namespace, version: int) -> None:
    """One byte more in a stored version."""
    place = f"/data/ropewalk/{namespace.name}/{NAME}/models/{version}/saved_model.pb"
    namespace.pod_exec("store", f"test -f {place} && printf x >> {place}")


def test_a_tampered_champion_is_rolled_back_and_gives_the_title_back(followed: Namespace) -> None:
    """Under load as well: the version that answers stays, the digest is quarantined, the former champion regains."""
    tamper(followed, 2)
    with Load.rest(followed, NAME) as load:
        promote(followed, 2)
        refused = eventually(
            lambda: followed.get("modeldeployment", NAME)["status"].get("quarantined", []),
            until=lambda found: any(one["version"] == 2 for one in found),
            seconds=30,
        )
        champion = eventually(
            lambda: followed.get("pipeline", NAME)["status"]["champion"],
            until=lambda c: c["version"] == 1,
            seconds=30,
        )
        status = settled(followed, NAME, 1)
        said = load.end()
    assert refused[-1]["reason"] == "TamperedModel", refused
    assert "saved_model.pb" in refused[-1]["message"]
    assert "regained" in champion["reason"]
    assert "TamperedModel" in champion["reason"]
    assert status["lastFailure"]["reason"] == "TamperedModel"
    assert said["failed"] == [], said
    assert lives(followed, NAME) == [1, 1]
    events = followed.list("events")
    assert any(e["reason"] == "TitleLost" and e["involvedObject"]["name"] == NAME for e in events)


def test_a_pin_holds_one_version_and_says_so_where_it_cannot(followed: Namespace) -> None:
    """`model.version`: the champion does not matter; a pinned version that is refused leaves the one before live."""
    followed.apply(deployment("pinned", model={"pipeline": NAME, "version": 1}))
    live = settled(followed, "pinned", 1, seconds=60)["live"]
    known = followed.get("pipeline", NAME)["status"]["history"]
    assert live["digest"] == next(h["digest"] for h in known if h.get("version") == 1)
    patch(followed, "modeldeployment", "pinned", {"model": {"version": 2}})
    seen = eventually(
        lambda: followed.get("modeldeployment", "pinned"),
        until=lambda m: condition(m, "RolledBack").get("status") == "True",
    )
    assert condition(seen, "RolledBack")["reason"] == "TamperedModel"
    assert condition(seen, "Ready")["status"] == "True"
    assert seen["status"]["live"]["version"] == 1
    assert "version 2 is not served" in seen["status"]["summary"]["message"]
    assert send(followed, "pinned", [{"instances": [{}]}])[0].status == 400, "an answer, about the features it lacks"
    patch(followed, "modeldeployment", "pinned", {"model": {"version": 1}})
    eventually(
        lambda: followed.get("modeldeployment", "pinned"),
        until=lambda m: condition(m, "RolledBack").get("status") != "True" and not m["status"].get("candidate"),
    )


def test_a_champion_that_is_better_stays(followed: Namespace) -> None:
    """A model that has hardly learnt anything is compared on the same rows, and does not become the champion."""
    demand = {"metrics": [{"name": "accuracy", "maxRegression": "0.02"}]}
    idle = [{"name": "epochs", "value": "1"}, {"name": "learningRate", "value": "0.0000001"}]
    patch(followed, "pipeline", NAME, {"evaluate": demand, "train": {"hyperparameters": idle}})
    ended = finished(followed, NAME, run=3)
    last = ended["status"]["history"][-1]
    assert last["result"] == "NotBlessed", last
    assert "against version 1" in last["message"]
    assert condition(ended, "Blessed")["status"] == "False"
    assert ended["status"]["champion"]["version"] == 1
    assert followed.get("modeldeployment", NAME)["status"]["live"]["version"] == 1
