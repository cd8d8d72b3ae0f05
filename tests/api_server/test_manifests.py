"""What manifests/ makes of a real API server: it takes them all, and its policy holds the operator to its nudge."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ropewalk.core.deployment.observe.pods import NUDGE_ANNOTATION
from tests.api_server.conftest import MANIFESTS
from tests.polling import eventually
from tests.support import kubectl

OPERATOR = "--as=system:serviceaccount:ropewalk-system:ropewalk-operator"
OURS = {"app.kubernetes.io/managed-by": "ropewalk"}


def rendered(folder: Path) -> list[dict[str, Any]]:
    """What kubectl would apply."""
    return list(yaml.safe_load_all(kubectl("kustomize", str(folder)).stdout))


def test_an_overlay_moves_the_operator_and_sets_every_image(tmp_path: Path) -> None:
    """As manifests/README.md shows it, for one namespace."""
    names = ["operator", "trainer", "server", "server-tf"]
    up = [".."] * len(tmp_path.resolve().relative_to("/").parts)  # kustomize takes no absolute path
    kustomization = {
        "namespace": "team-a",
        "resources": ["/".join([*up, *MANIFESTS.resolve().relative_to("/").parts, "namespaced"])],
        "images": [{"name": f"localhost/ropewalk/{name}", "newName": f"reg/{name}", "newTag": "7"} for name in names],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    found = rendered(tmp_path)
    assert {one["metadata"].get("namespace") for one in found} == {"team-a"}
    subjects = [one for made in found if made["kind"] == "RoleBinding" for one in made["subjects"]]
    assert {one["namespace"] for one in subjects} == {"team-a"}
    (images,) = (one["data"] for one in found if one["kind"] == "ConfigMap")
    (deployment,) = (one for one in found if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert sorted([container["image"], *images.values()]) == sorted(f"reg/{name}:7" for name in names)
    assert container["envFrom"][0]["configMapRef"]["name"].startswith("ropewalk-images-")


def test_everything_is_accepted() -> None:
    """By the API server's own schemas, the policy's expressions included; nothing is stored."""
    kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", str(MANIFESTS / "shared"))


@pytest.fixture(scope="module")
def space() -> Iterator[str]:
    """A namespace with a pod of the operator's and one of somebody else's, and the policy in force."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("apply", "--server-side", "--force-conflicts", "-k", str(MANIFESTS / "shared"))
    kubectl("create", "namespace", name)
    binding = ["create", "rolebinding", "operator", "--clusterrole=ropewalk-operator"]
    kubectl("-n", name, *binding, "--serviceaccount=ropewalk-system:ropewalk-operator")
    # kubectl reads what it is about to patch, which the operator has no need to.
    kubectl("-n", name, "create", "role", "kubectl", "--verb=get", "--resource=pods")
    reading = ["create", "rolebinding", "kubectl", "--role=kubectl"]
    kubectl("-n", name, *reading, "--serviceaccount=ropewalk-system:ropewalk-operator")
    eventually(lambda: kubectl("-n", name, "get", "serviceaccount", "default", check=False).returncode == 0)
    for pod, labels in (("ours", OURS), ("theirs", {})):
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, "labels": labels, "annotations": {"other": "1"}},
            # No node has it: the pod stays Pending.
            "spec": {"nodeSelector": {"none": "none"}, "containers": [{"name": "c", "image": "none"}]},
        }
        kubectl("-n", name, "apply", "-f", "-", stdin=json.dumps(body))
    # A policy takes effect some moments after it is stored.
    refused = patched(name, "theirs", {"metadata": {"annotations": {NUDGE_ANNOTATION: "0"}}})
    eventually(lambda: "pods of its own" in refused())
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def patched(space: str, pod: str, patch: dict[str, Any]) -> Any:
    """A function that patches a pod as the operator does, and gives what it is told."""
    arguments = ["-n", space, OPERATOR, "patch", "pod", pod, "--type=merge", "-p", json.dumps(patch)]

    def run() -> str:
        done = kubectl(*arguments, check=False)
        return done.stdout + done.stderr

    return run


def test_the_operator_may_nudge_its_pod(space: str) -> None:
    """Set the annotation, and change it."""
    for value in ("1.1.1", "1.2.2"):
        assert "patched" in patched(space, "ours", {"metadata": {"annotations": {NUDGE_ANNOTATION: value}}})()


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": {"annotations": {"other": "2"}}},
        {"metadata": {"annotations": {"other": None}}},
        {"metadata": {"annotations": {"another": "1", NUDGE_ANNOTATION: "3.1.1"}}},
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"finalizers": ["ropewalk.dev/stay"]}},
        {"spec": {"activeDeadlineSeconds": 1}},
    ],
    ids=json.dumps,
)
def test_it_may_change_nothing_else(space: str, patch: dict[str, Any]) -> None:
    """Each of these would be a legal change of a pod."""
    assert f"nothing of a pod but its annotation {NUDGE_ANNOTATION}" in patched(space, "ours", patch)()


def test_it_may_delete_its_own_pods_only(space: str) -> None:
    """RBAC alone would let it delete both."""
    theirs = kubectl("-n", space, OPERATOR, "delete", "pod", "theirs", "--wait=false", check=False)
    assert "pods of its own" in theirs.stderr
    kubectl("-n", space, OPERATOR, "delete", "pod", "ours", "--wait=false")
