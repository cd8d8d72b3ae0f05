"""The loop closes on real pods: labels tell how good answers are, drift starts a run, and a person promotes it."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pandas as pd
import pytest

from tests.cancer import cancer_csv
from tests.cluster.resources import example, finished, pipeline, write_csv
from tests.cluster.traffic import rows, send
from tests.polling import eventually
from tests.support import Namespace, condition, kubectl

NAME = "loop"
LABELS = 60
SHIFTED = [{**row, "mean_radius": 2 * row["mean_radius"]} for row, _ in rows()]
"""The data as it would be if the microscope were replaced by one that reports the radius in another unit."""


def deployment(namespace: Namespace) -> dict[str, Any]:
    """The ModelDeployment as it is now."""
    return namespace.get("modeldeployment", NAME)


def send_shifted(namespace: Namespace) -> None:
    """All shifted rows, ten a request."""
    bodies = [{"instances": SHIFTED[start : start + 10]} for start in range(0, len(SHIFTED), 10)]
    assert {answer.status for answer in send(namespace, NAME, bodies)} == {200}


@pytest.fixture(scope="module")
def asked(namespace: Namespace) -> tuple[Namespace, float]:
    """The example, trained and served, after real rows with their labels and many shifted ones; and how many of the
    labelled answers were right."""
    write_csv(namespace, f"{NAME}/train.csv", cancer_csv())
    source = {"uri": f"pvc://data/{NAME}/*.csv", "format": "CSV"}
    drift = {"modelDeployments": [NAME], "cooldown": "10s", "maxPerDay": 100}
    served = example("modeldeployment.yaml")
    served["metadata"]["name"], served["spec"]["model"] = NAME, {"pipeline": NAME}
    served["spec"]["monitor"]["feedback"] = {"secret": "receipts"}
    key = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "receipts"}, "stringData": {"key": "0" * 32}}
    namespace.apply(key, pipeline(NAME, source=source, evaluate={}, triggers={"drift": drift}), served)
    eventually(lambda: deployment(namespace), until=lambda m: condition(m, "Ready").get("status") == "True", seconds=90)
    known = rows()[:LABELS]
    answers = send(namespace, NAME, [{"instances": [row]} for row, _ in known])
    assert {answer.status for answer in answers} == {200}, answers[0]
    truth = [label for _, label in known]
    labels = [{"id": one.prediction_id, "label": label} for one, label in zip(answers, truth, strict=True)]
    altered = {"id": answers[0].prediction_id[:-4] + "AAAA", "label": truth[0]}
    assert send(namespace, NAME, [altered], verb="feedback")[0].status == 400, "ids are signed with the Secret's key"
    taken = send(namespace, NAME, labels, verb="feedback")
    assert {answer.status for answer in taken} == {200}, taken[0]
    send_shifted(namespace)
    said = [answer.body["predictions"][0]["label"] for answer in answers]
    return namespace, sum(a == b for a, b in zip(said, truth, strict=True)) / LABELS


def column(namespace: Namespace, name: str) -> str:
    """What `kubectl get` shows under a heading."""
    heads, line = kubectl("-n", namespace.name, "get", "modeldeployment", NAME).stdout.splitlines()[:2]
    start = heads.index(name)
    return line[start:].split("  ")[0].strip()


def test_drift_names_the_feature_that_shifted(asked: tuple[Namespace, float]) -> None:
    """When the window of a minute has closed: with score, threshold and number of rows."""
    namespace, _ = asked
    seen = eventually(
        lambda: deployment(namespace), until=lambda m: condition(m, "DataDrift").get("status") == "True", seconds=100
    )
    drift = seen["status"]["drift"]
    assert drift["worstFeature"] == "mean_radius", drift
    assert float(drift["score"]) > float(drift["threshold"]) == 0.2
    assert drift["samples"] >= 200
    assert drift["features"][0]["state"] == "Drifted"
    message = condition(seen, "DataDrift")["message"]
    for word in ("mean_radius", drift["score"], drift["threshold"], str(drift["samples"])):
        assert word in message
    assert column(namespace, "DRIFT").startswith("mean_radius")


def test_labels_become_accuracy_in_status_and_in_a_column(asked: tuple[Namespace, float]) -> None:
    """Windowed accuracy, precision and recall, with the number of labels that they rest on."""
    namespace, share = asked
    seen = eventually(
        lambda: deployment(namespace).get("status", {}).get("performance", {}),
        until=lambda p: p.get("metrics") and p.get("labels", 0) > 0.8 * LABELS,
        seconds=100,
    )
    metrics = {one["name"]: float(one["value"]) for one in seen["metrics"]}
    assert set(metrics) >= {"accuracy", "precision", "recall"}
    assert abs(metrics["accuracy"] - share) < 0.05, (metrics, share)
    assert seen["version"] == 1
    assert seen["labels"] <= LABELS
    assert abs(float(column(namespace, "ACCURACY").split()[0]) - share) < 0.05


def test_a_restart_takes_no_labels_with_it(asked: tuple[Namespace, float]) -> None:
    """The operator reads what a pod has counted while that ends, its last minute too; the pod waits for it."""
    namespace, _ = asked
    known = rows()[LABELS : LABELS + 10]
    answers = send(namespace, NAME, [{"instances": [row]} for row, _ in known])
    labels = [{"id": one.prediction_id, "label": label} for one, (_, label) in zip(answers, known, strict=True)]
    assert {answer.status for answer in send(namespace, NAME, labels, verb="feedback")} == {200}
    kubectl("-n", namespace.name, "rollout", "restart", f"deployment/{NAME}-server")
    kubectl("-n", namespace.name, "rollout", "status", f"deployment/{NAME}-server", "--timeout=60s")

    def kept() -> int:
        data = namespace.get("configmap", f"{NAME}-labels").get("data", {})
        versions = json.loads(data.get("labels.json", "{}")).get("versions", ())
        return sum(one["count"] for version in versions for one in version["sums"])

    eventually(kept, until=lambda count: count == LABELS + len(labels), seconds=60)


def newest(namespace: Namespace) -> dict[str, Any]:
    """The last entry of the Pipeline's history."""
    found: dict[str, Any] = namespace.get("pipeline", NAME)["status"]["history"][-1]
    return found


def test_a_drift_without_new_data_is_uncured_and_said_so(asked: tuple[Namespace, float]) -> None:
    """A run starts by itself, sees what the champion was trained on, and trains nothing."""
    namespace, _ = asked
    ended = finished(namespace, NAME, run=2)
    entry = next(h for h in ended["status"]["history"] if int(h["id"]) == 2)
    assert (entry["trigger"], entry["reason"]) == ("Drift", "DriftUncured"), entry
    assert entry["result"] == "Skipped"
    assert ended["status"]["champion"]["version"] == 1


def test_new_data_cure_it_and_promotion_waits_for_a_person(asked: tuple[Namespace, float]) -> None:
    """The drift is tried again after the cooldown; what it trained is a version, and not the champion."""
    namespace, _ = asked
    frame = pd.read_csv(io.StringIO(cancer_csv())).iloc[:150]
    frame["mean radius"] *= 2
    write_csv(namespace, f"{NAME}/drifted.csv", frame.to_csv(index=False))
    send_shifted(namespace)

    def look() -> dict[str, Any]:
        # By itself the Pipeline looks at the drift once a minute; any change of it makes it look at once.
        at = f"example.org/looked-at={int(time.time()) // 5}"
        kubectl("-n", namespace.name, "annotate", "--overwrite", "pipeline", NAME, at)
        return newest(namespace)

    entry = eventually(look, until=lambda h: h["reason"] != "DriftUncured", seconds=120)
    assert (entry["trigger"], entry["result"], entry["version"]) == ("Drift", "Succeeded", 2), entry
    status = namespace.get("pipeline", NAME)["status"]
    assert status["champion"]["version"] == 1
    assert "version 2 awaits promotion" in status["summary"]["message"]
    assert deployment(namespace)["status"]["live"]["version"] == 1
    kubectl("-n", namespace.name, "annotate", "pipeline", NAME, "ropewalk.dev/promote=2")
    eventually(lambda: deployment(namespace)["status"]["live"], until=lambda live: live["version"] == 2, seconds=30)
