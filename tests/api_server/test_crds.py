"""The definitions on a real API server: what it accepts, what it refuses and in which words, what it keeps."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ropewalk_contract.api.common import GROUP, Model
from ropewalk_contract.api.modeldeployment import ModelDeploymentSpec
from ropewalk_contract.api.pipeline import PipelineSpec
from tests.api_server import samples
from tests.api_server.refusals import DEPLOYMENTS, PIPELINES, Refusal
from tests.api_server.samples import Manifest
from tests.core.crd_nodes import nodes, root
from tests.support import Namespace, kubectl

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/*.yaml"))
SPECS: dict[str, type[Model]] = {"Pipeline": PipelineSpec, "ModelDeployment": ModelDeploymentSpec}


def dry_run(body: Manifest) -> tuple[Manifest | None, str]:
    """What the API server would store, or what it says against it."""
    done = kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(body), check=False)
    return (json.loads(done.stdout), "") if done.returncode == 0 else (None, done.stderr)


def accepted(body: Manifest) -> Manifest:
    stored, complaint = dry_run(body)
    assert stored is not None, complaint
    return stored


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    name = f"crds-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield Namespace(name)
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_examples_are_accepted(path: Path) -> None:
    for body in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        if body["apiVersion"].startswith("ropewalk.dev/"):
            accepted(body)


@pytest.mark.parametrize("sample", samples.ALL, ids=lambda sample: sample.__name__)
def test_samples_are_accepted_and_both_sides_fill_in_the_same_defaults(sample: Callable[[], Manifest]) -> None:
    stored = accepted(sample())
    model = SPECS[stored["kind"]]
    # What the server stores, parsed, must be what the operator reads into the manifest as it was sent.
    assert model.model_validate(stored["spec"]) == model.model_validate(sample()["spec"])
    assert _without_empty(stored["spec"]) == _without_empty(model.model_validate(sample()["spec"]).document())


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_empty(one) for key, one in value.items() if one not in ([], {})}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value


def test_samples_use_every_field_of_spec() -> None:
    for kind in SPECS:
        spec = root(kind)["properties"]["spec"]
        known = {path for path, _ in nodes(spec, "spec")}
        used = {path for make in samples.ALL if make()["kind"] == kind for path in _paths(make()["spec"], "spec")}
        assert {path for path in known - used if not path.endswith("[]")} == set()


def _paths(value: Any, path: str) -> Iterator[str]:
    yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _paths(one, f"{path}.{key}")
    if isinstance(value, list):
        for one in value:
            yield from _paths(one, f"{path}[]")


@pytest.mark.parametrize("case", [*PIPELINES, *DEPLOYMENTS], ids=lambda case: f"{case.path}: {case.message[:50]}")
def test_every_rule_refuses_in_its_own_words(case: Refusal) -> None:
    stored, complaint = dry_run(case.manifest())
    assert stored is None
    assert case.message in complaint
    assert f"{case.path}: Invalid value" in complaint


@pytest.mark.parametrize(("kind", "cases"), [("Pipeline", PIPELINES), ("ModelDeployment", DEPLOYMENTS)])
def test_every_rule_has_a_refusal(kind: str, cases: tuple[Refusal, ...]) -> None:
    stated = {
        (path.removeprefix(f"{kind}.") if path != kind else "<nil>", rule["message"])
        for path, node in nodes(root(kind), kind)
        for rule in node.get("x-kubernetes-validations", ())
    }
    assert {(re.sub(r"\[\d+\]", "[]", case.path), case.message) for case in cases} == stated


@pytest.mark.parametrize(
    ("sample", "path", "value", "word"),
    [
        (samples.pipeline, "spec.epochs", 3, 'unknown field "spec.epochs"'),
        (
            samples.pipeline,
            "spec.train.hyperparameters.0.vale",
            "3",
            'unknown field "spec.train.hyperparameters[0].vale"',
        ),
        (samples.deployment, "spec.serving.batches", "Auto", 'unknown field "spec.serving.batches"'),
        (samples.pipeline, "spec.evaluate.metrics.0.min", 0.9, "must be of type string"),
        (samples.pipeline, "spec.evaluate.metrics.0.min", "much", "should match"),
        (samples.pipeline, "spec.evaluate.metrics.1.name", "accuracy", "Duplicate value"),
        (
            samples.pipeline,
            "spec.source.format",
            "Excel",
            'supported values: "CSV", "Parquet", "JSONLines", "ImageFolder"',
        ),
        (samples.pipeline, "spec.retry.backoff", "30", "should match"),
        (samples.deployment, "spec.replicas", -1, "should be greater than or equal to 0"),
        (samples.deployment, "spec.model.digest", "sha256:abc", "should match"),
    ],
)
def test_what_types_say_is_refused_too(sample: Callable[[], Manifest], path: str, value: Any, word: str) -> None:
    stored, complaint = dry_run(Refusal(sample, path, word, ((path, value),)).manifest())
    assert stored is None
    assert word in complaint


def test_the_largest_pipeline_is_accepted() -> None:
    # CEL's budget at run time: every list as long as it may be.
    body = samples.pipeline()
    features = [{"name": f"f{i}", "column": f"{'c' * 250}{i}", "type": "Number", "min": "0"} for i in range(511)]
    values = [f"{'v' * 120}{i}" for i in range(1000)]
    body["spec"]["schema"]["features"] = [*features, {"name": "many", "type": "Category", "values": values}]
    accepted(body)


@pytest.mark.parametrize("path", ["pipeline.spec.evaluate.metrics", "modeldeployment.spec.monitor.drift"])
def test_explain_teaches(path: str) -> None:
    said = kubectl("explain", path).stdout
    assert "<no description>" not in said
    assert "threshold" in said or "maxRegression" in said


def test_short_names_and_category() -> None:
    said = kubectl("api-resources", "--api-group=ropewalk.dev", "-o", "wide").stdout
    assert re.search(r"^pipelines +pl +ropewalk.dev/v1alpha1 +true +Pipeline .* ropewalk$", said, re.MULTILINE)
    assert re.search(r"^modeldeployments +mdep +ropewalk.dev/v1alpha1 .* ropewalk$", said, re.MULTILINE)


def test_status_keeps_what_an_operator_adds_and_columns_show_it(namespace: Namespace) -> None:
    namespace.apply(samples.pipeline())
    status = {
        "observedGeneration": 1,
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "NoChampion",
                "message": "",
                "observedGeneration": 1,
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            }
        ],
        "summary": {"run": "1", "stage": "Train", "progress": "epoch 3/30", "later": "x"},
        "run": {"id": 1, "state": "Running", "jobs": [{"name": "j", "part": "run", "tries": 2}], "note": {"a": [1]}},
        "champion": {"version": 3, "uri": "pvc://models/x/3", "metrics": [{"name": "accuracy", "value": "0.96"}]},
        "bookkeeping": {"any": "thing"},
    }
    patch = json.dumps({"status": status})
    # The answer to the patch itself: an operator that runs in the cluster has its own word on this status next.
    command = ["patch", "pl", "churn", "--subresource=status", "--type=merge", "-p", patch]
    stored = json.loads(kubectl("-n", namespace.name, *command, "-o", "json").stdout)["status"]
    summary = status.pop("summary")
    assert {key: stored[key] for key in status} == status
    assert {key: stored["summary"][key] for key in summary} == summary
    row = kubectl("-n", namespace.name, "get", "pl", "churn", "--no-headers").stdout.split()
    assert row[:2] == ["churn", "1"]
    assert "3" in row, "the champion has a column"


def test_a_model_deployment_scales(namespace: Namespace) -> None:
    body = samples.deployment()
    del body["spec"]["autoscaling"]
    namespace.apply(body)
    kubectl("-n", namespace.name, "scale", "mdep", "churn", "--replicas=3")
    assert namespace.get("modeldeployment", "churn")["spec"]["replicas"] == 3


def test_the_definitions_are_structural_and_their_names_free() -> None:
    found = json.loads(kubectl("get", "crd", "-o", "json").stdout)
    ours = [item for item in found["items"] if item["spec"]["group"] == GROUP]
    assert len(ours) == len(SPECS)
    for item in ours:
        states = {one["type"]: one["status"] for one in item["status"]["conditions"]}
        assert states == {"NamesAccepted": "True", "Established": "True"}
