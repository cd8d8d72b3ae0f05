"""The main job on real pods: a Pipeline trains on real data, a ModelDeployment serves it, and says what is wrong."""

from __future__ import annotations

import pytest
from sklearn.datasets import load_breast_cancer

from tests.cancer import cancer_csv
from tests.cluster.resources import example, finished, pipeline, write_csv
from tests.cluster.traffic import ask
from tests.polling import eventually
from tests.support import Namespace, condition


@pytest.fixture(scope="module")
def trained(namespace: Namespace) -> Namespace:
    """A namespace in which the tabular example has been trained and is served."""
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    namespace.apply(example("pipeline.yaml"), example("modeldeployment.yaml"))
    ended = finished(namespace, "cancer")
    assert ended["status"]["history"][-1]["result"] == "Succeeded", ended["status"]
    eventually(
        lambda: namespace.get("modeldeployment", "cancer"),
        until=lambda m: condition(m, "Ready").get("status") == "True",
        seconds=90,
    )
    return namespace


def test_a_trained_champion_answers_predictions(trained: Namespace) -> None:
    """The whole path: what was trained is what answers, by the names of the schema."""
    champion = trained.get("pipeline", "cancer")["status"]["champion"]
    live = trained.get("modeldeployment", "cancer")["status"]["live"]
    assert live["version"] == champion["version"] == 1
    frame = load_breast_cancer(as_frame=True).frame
    row = {k.replace(" ", "_"): float(v) for k, v in frame.iloc[0].items() if k != "target"}
    status, answer = ask(trained, "cancer", "/v1/models/cancer:predict", {"instances": [row]})
    assert status == 200, answer
    assert answer["predictions"][0]["label"] == "malignant"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"instances": [{"mean_radius": "wide"}]}, "mean_"),
        ({"instances": []}, "instances"),
        ({"rows": []}, "instances"),
        ({"instances": [{"mean_radius": [1, 2]}]}, "mean_"),
    ],
)
def test_a_bad_request_is_answered_with_the_field(trained: Namespace, body: object, word: str) -> None:
    """A 400 that names what is wrong."""
    status, answer = ask(trained, "cancer", "/v1/models/cancer:predict", body)
    assert status == 400
    assert word in answer["error"]


def test_an_unknown_model_is_404(trained: Namespace) -> None:
    """Not a 500, and no word about other models."""
    status, answer = ask(trained, "cancer", "/v1/models/other:predict", {"instances": [{}]})
    assert status == 404
    assert "other" in answer["error"]


def damaged(kind: str) -> str:
    """The cancer data with one thing wrong."""
    lines = cancer_csv().splitlines()
    if kind == "empty":
        return ""
    if kind == "column":
        return "\n".join([lines[0].replace("mean texture", "average texture"), *lines[1:]])
    if kind == "type":
        return "\n".join(
            [lines[0], *("wide" + line[line.index(",") :] if i % 20 == 0 else line for i, line in enumerate(lines[1:]))]
        )
    if kind == "classes":
        return "\n".join([lines[0], *(line for line in lines[1:] if line.endswith("benign"))])
    other = {"category": "unclear", "label": ""}[kind]
    return "\n".join(
        [lines[0], *(line.replace("benign", other) if i % 50 == 0 else line for i, line in enumerate(lines[1:]))]
    )


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "SourceNotFound"),
        ("empty", "EmptySource"),
        ("column", "MissingColumn"),
        ("type", "WrongType"),
        ("classes", "SingleClassLabel"),
        ("category", "UnknownCategory"),
        ("label", "NaNLabel"),
    ],
)
def test_bad_data_fails_the_run_with_its_reason(namespace: Namespace, kind: str, reason: str) -> None:
    """Data errors are not retried, and stand in the status with a remedy."""
    if kind != "missing":
        write_csv(namespace, f"{kind}/train.csv", damaged(kind))
    source = {"uri": f"pvc://data/{kind}/*.csv", "format": "CSV"}
    namespace.apply(pipeline(f"bad-{kind}", source=source))
    ended = finished(namespace, f"bad-{kind}")
    last = ended["status"]["history"][-1]
    assert (last["result"], last["reason"]) == ("Failed", reason), ended["status"]
    assert len(ended["status"]["run"]["jobs"]) == 1
    assert ended["status"]["summary"]["message"]


def test_a_claim_that_is_not_there_is_named(namespace: Namespace) -> None:
    """The word stands in the status, and the run starts when the claim comes."""
    namespace.apply(pipeline("no-claim", source={"uri": "pvc://nowhere/x.csv", "format": "CSV"}))
    eventually(
        lambda: namespace.get("pipeline", "no-claim").get("status", {}).get("summary", {}),
        until=lambda s: "nowhere" in s.get("message", ""),
        seconds=30,
    )


def test_a_threshold_that_is_not_met_makes_no_champion(trained: Namespace) -> None:
    """NotBlessed, with metric, value and bound."""
    trained.apply(pipeline("strict", evaluate={"metrics": [{"name": "accuracy", "min": "0.9999"}]}))
    ended = finished(trained, "strict")
    assert "champion" not in ended["status"] or not ended["status"]["champion"]
    blessed = condition(ended, "Blessed")
    assert blessed["status"] == "False"
    assert "0.9999" in blessed["message"]
