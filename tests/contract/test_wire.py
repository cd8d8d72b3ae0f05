"""Names, ports, paths and codes that programs agree on: no literal of them outside the contract; manifests agree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ropewalk_contract import wire
from tests.contract.product import REPOSITORY, constants

WIRE = {name: value for name, value in vars(wire).items() if name.isupper()}
PLAIN = {"run", "errand", "serve", "server", "train", "ropewalk", "work", "claims", "configmaps", "routes", "state"}
PLAIN |= {"tokens", "tls", "feedback", "identity", "token", "pvc", "configmap", "predict", "v1alpha1"}
"""Values that are words of other vocabularies too; a literal of one proves nothing."""
TEXTS = {value for value in WIRE.values() if isinstance(value, str)} - PLAIN
PORTS = {value for name, value in WIRE.items() if name.endswith("_PORT")}
CODES = {value for name, value in WIRE.items() if name.startswith("EXIT_") and isinstance(value, int)}
MANIFESTS = REPOSITORY / "manifests"


def test_no_program_has_a_literal_of_the_contract() -> None:
    found = [
        str(one)
        for one in constants()
        if (
            (isinstance(one.value, str) and (one.value in TEXTS or one.value.startswith(f"{wire.ROOT}/")))
            or (type(one.value) is int and one.value in PORTS)
            or (isinstance(one.value, str) and one.value.isdecimal() and int(one.value) in PORTS)
            or (type(one.value) is int and one.value in CODES and "exit" in one.keyword.lower())
        )
    ]
    assert found == []


def test_every_variable_is_named_as_the_contract_names_it() -> None:
    """A variable that tests set alone, or that only its own program reads, is not the contract's."""
    own = {"ROPEWALK_FAULT", "ROPEWALK_CALL_SECONDS", "ROPEWALK_LEAVE_SECONDS"}
    named = {str(one.value) for one in constants() if re.fullmatch(r"ROPEWALK_[A-Z_]+", str(one.value))}
    assert named <= own


def test_the_contract_imports_without_pydantic_and_numpy() -> None:
    modules = sorted((REPOSITORY / "contract/ropewalk_contract").rglob("*.py"))
    names = [
        ".".join(path.relative_to(REPOSITORY / "contract").with_suffix("").parts).removesuffix(".__init__")
        for path in modules
        if "api" not in path.relative_to(REPOSITORY / "contract").parts or path.name == "conditions.py"
    ]
    code = f"import sys, {', '.join(names)}; assert not {{'pydantic', 'numpy'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def test_manifests_probe_and_scrape_the_operator_where_it_listens() -> None:
    (deployment,) = (one for one in documents(MANIFESTS / "base/operator.yaml") if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert ports == {"metrics": wire.OPERATOR_PORT}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": wire.HEALTH_PATH,
        "liveness": wire.HEALTH_PATH,
        "readiness": wire.READY_PATH,
    }
    assert wire.POD_VARIABLE in {variable["name"] for variable in container["env"]}


def test_manifests_name_the_images_variables() -> None:
    text = (MANIFESTS / "base/kustomization.yaml").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(ROPEWALK_\w+)=", text))
    assert named == {wire.TRAINER_IMAGE_VARIABLE, wire.SERVER_IMAGE_VARIABLE, wire.SERVER_TF_IMAGE_VARIABLE}


def test_manifests_scrape_servers_by_their_labels() -> None:
    text = (MANIFESTS / "monitoring/scrape.yaml").read_text(encoding="utf-8")
    assert f"label: {wire.NAME_LABEL}={wire.SERVER_NAME},{wire.MANAGED_BY_LABEL}={wire.MANAGED_BY}" in text


def test_the_admission_policy_lets_the_nudge_through() -> None:
    text = (MANIFESTS / "shared/admission.yaml").read_text(encoding="utf-8")
    assert f"k == '{wire.NUDGE_ANNOTATION}'" in text
    assert set(re.findall(r"ropewalk[.]dev/[a-z-]+", text)) == {wire.NUDGE_ANNOTATION}


def test_images_start_the_commands_that_jobs_and_deployments_name() -> None:
    named = {
        "trainer_image/Dockerfile": (wire.TRAIN_PROGRAM, wire.RUN_COMMAND),
        "server_image/Dockerfile": (wire.SERVE_PROGRAM, wire.SERVE_COMMAND),
        "server_image/tensorflow.Dockerfile": (wire.SERVE_PROGRAM, wire.SERVE_COMMAND),
    }
    for file, (program, command) in named.items():
        assert f'CMD ["{program}", "{command}"]' in (REPOSITORY / file).read_text(encoding="utf-8")
