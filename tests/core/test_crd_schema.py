"""The generated schemas keep to Kubernetes' API conventions, and the committed files are the generated ones."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ropewalk_contract.api import conditions, crd
from tests.core.crd_nodes import DEFINITIONS, nodes, root, version

CRDS = Path(__file__).parents[2] / "crds"
STRUCTURAL = {
    "type",
    "format",
    "description",
    "default",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "properties",
    "items",
    "additionalProperties",
    "anyOf",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
}


EVERY = [(path, node) for kind in DEFINITIONS for path, node in nodes(root(kind), kind)]
OUTSIDE = {f"{kind}.{name}" for kind in DEFINITIONS for name in ("apiVersion", "kind", "metadata")}
"""Kubernetes defines and bounds these itself."""
OURS = [(path, node) for path, node in EVERY if path not in OUTSIDE]


def test_only_structural_keywords_are_used() -> None:
    strangers = {(path, key) for path, node in EVERY for key in node if key not in STRUCTURAL}
    assert strangers == set()


def test_there_is_no_float() -> None:
    # JSON's numbers come back changed from some clients: decimals are strings.
    assert [path for path, node in EVERY if node.get("type") == "number" or "float" in node.get("format", "")] == []


def test_every_value_has_one_type_and_unions_are_int_or_string_only() -> None:
    untyped = [p for p, n in EVERY if n.get("type") is None and not n.get("x-kubernetes-int-or-string")]
    unions = [p for p, n in EVERY if "anyOf" in n and not n.get("x-kubernetes-int-or-string")]
    assert (untyped, unions) == ([], [])


def test_every_field_is_described() -> None:
    poor = [
        path
        for path, node in OURS
        if not path.endswith("[]") and (len(node.get("description", "")) < 6 or not node["description"].endswith("."))
    ]
    assert poor == []


def test_kubectl_explain_says_how_often_a_label_is_to_be_sent() -> None:
    """Nobody would guess that replicas do not tell each other."""
    explained = {path: node["description"] for path, node in OURS if "description" in node}
    assert "Send each label once" in explained["ModelDeployment.spec.monitor.feedback"]
    assert "counts twice" in explained["ModelDeployment.status.performance.labels"]


def test_strings_are_bounded() -> None:
    def bounded(node: dict[str, Any]) -> bool:
        return "maxLength" in node or "enum" in node

    kinds = [(p, n) for p, n in OURS if n.get("type") == "string" or n.get("x-kubernetes-int-or-string")]
    assert [path for path, node in kinds if not bounded(node)] == []


def test_lists_are_bounded_and_say_how_they_merge() -> None:
    lists = [(p, n) for p, n in OURS if n.get("type") == "array"]
    assert [path for path, node in lists if "maxItems" not in node] == []
    assert [path for path, node in lists if node.get("x-kubernetes-list-type") not in ("atomic", "set", "map")] == []


def test_keys_of_list_maps_are_required() -> None:
    for path, node in OURS:
        if node.get("x-kubernetes-list-type") == "map":
            assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"]), path


def test_maps_are_bounded_and_hold_no_objects() -> None:
    maps = [(p, n) for p, n in OURS if "additionalProperties" in n]
    assert [path for path, node in maps if "maxProperties" not in node] == []
    assert [path for path, node in maps if node["additionalProperties"].get("type") == "object"] == []


def test_names_are_camel_case_and_enums_of_our_own_too() -> None:
    names = [path.rsplit(".", 1)[-1].removesuffix("[]") for path, _ in OURS if "." in path]
    assert [name for name in names if not re.fullmatch(r"[a-z][a-zA-Z0-9]*", name)] == []
    theirs = {"val_loss", "val_accuracy"}  # Keras' own words
    metrics = "Pipeline.spec.evaluate.metrics[].name"  # the field's own words, as scikit-learn has them
    enums = [value for path, node in OURS if path != metrics for value in node.get("enum", ()) if value not in theirs]
    assert [value for value in enums if not re.fullmatch(r"[A-Z][a-zA-Z]*", value)] == []


def test_optional_fields_of_spec_never_default_to_null_and_status_has_no_defaults() -> None:
    assert [path for path, node in EVERY if "default" in node and node["default"] is None] == []
    assert [path for path, node in EVERY if ".status" in path and "default" in node] == []


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_unknown_fields_are_kept_in_status_only(kind: str) -> None:
    keeping = [path for path, node in nodes(root(kind), kind) if node.get("x-kubernetes-preserve-unknown-fields")]
    assert [path for path in keeping if not path.startswith(f"{kind}.status")] == []
    assert f"{kind}.status" in keeping


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_conditions_are_those_of_kubernetes(kind: str) -> None:
    found = root(kind)["properties"]["status"]["properties"]["conditions"]
    assert found["x-kubernetes-list-type"] == "map"
    assert found["x-kubernetes-list-map-keys"] == ["type"]
    assert found["items"]["properties"]["status"]["enum"] == ["True", "False", "Unknown"]
    assert set(found["items"]["properties"]) == {
        "type",
        "status",
        "reason",
        "message",
        "observedGeneration",
        "lastTransitionTime",
    }
    types = {"Pipeline": conditions.PIPELINE_CONDITIONS, "ModelDeployment": conditions.MODELDEPLOYMENT_CONDITIONS}
    for name in types[kind]:
        assert name in found["description"]
    assert len(types[kind]) <= found["maxItems"]


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_columns_and_scale_point_at_fields_that_exist(kind: str) -> None:
    paths = {path.removeprefix(kind) for path, _ in nodes(root(kind), kind)}
    columns = [column["jsonPath"] for column in version(kind)["additionalPrinterColumns"]]
    scale = list(version(kind)["subresources"].get("scale", {}).values())
    assert [path for path in columns + scale if path not in paths | {".metadata.creationTimestamp"}] == []


def test_columns_are_those_of_the_architecture() -> None:
    def names(kind: str) -> list[str]:
        return [column["name"].upper() for column in version(kind)["additionalPrinterColumns"]]

    assert names("Pipeline")[:8] == ["RUN", "STAGE", "PROGRESS", "RESULT", "CHAMPION", "METRIC", "NEXT", "AGE"]
    assert " ".join(names("ModelDeployment")) == (
        "READY LIVE CANDIDATE TRAFFIC RPS P95 ERRORS DRIFT ACCURACY MESSAGE AGE"
    )


def test_only_a_model_deployment_scales() -> None:
    assert "scale" not in version("Pipeline")["subresources"]
    assert version("ModelDeployment")["subresources"]["scale"]["specReplicasPath"] == ".spec.replicas"
    assert all("status" in version(kind)["subresources"] for kind in DEFINITIONS)


def test_every_rule_ends_in_a_message_for_people() -> None:
    rules = [rule for _, node in EVERY for rule in node.get("x-kubernetes-validations", ())]
    assert rules
    assert [rule for rule in rules if len(rule["message"]) < 15 or rule["message"].endswith(".")] == []


def test_committed_files_are_the_generated_ones() -> None:
    assert crd.differences(CRDS) == []


def test_check_says_which_file_differs_and_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crd.main(["--directory", str(tmp_path)]) == 0
    assert crd.main(["--directory", str(tmp_path), "--check"]) == 0
    changed = tmp_path / "pipelines.ropewalk.dev.yaml"
    changed.write_text(changed.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    (tmp_path / "kustomization.yaml").unlink()
    capsys.readouterr()
    assert crd.main(["--directory", str(tmp_path), "--check"]) == 1
    said = capsys.readouterr().err
    assert "pipelines.ropewalk.dev.yaml differs" in said
    assert "kustomization.yaml is missing" in said
    assert "python -m ropewalk_contract.api.crd" in said


def test_kustomization_lists_every_definition() -> None:
    listed = yaml.safe_load((CRDS / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    assert sorted(listed) == sorted(path.name for path in CRDS.glob("*.ropewalk.dev.yaml"))


def test_definitions_carry_a_digest_of_what_they_say() -> None:
    # The operator compares it with its own, so a new field changes it, and better prose does not.
    for kind, found in DEFINITIONS.items():
        committed = yaml.safe_load((CRDS / f"{found['metadata']['name']}.yaml").read_text(encoding="utf-8"))
        carried = committed["metadata"]["annotations"]["ropewalk.dev/schema"]
        assert carried == crd.schemas()[found["metadata"]["name"]]
        changed = copy.deepcopy(found["spec"])
        properties = changed["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        next(iter(properties.values()))["description"] = "Other words."
        assert crd._digest(changed) == carried, kind
        properties["description"] = {"type": "string", "maxLength": 3}
        assert crd._digest(changed) != carried, kind
