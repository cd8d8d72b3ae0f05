"""Who may ask, as the pods are told: credentials are mounted for the type that needs them and for no other."""

from __future__ import annotations

from typing import Any

import pytest

from ropewalk.core.deployment.spec import InvalidSpec, read
from tests.core.deployment_world import World, serving


def asked(**authentication: str) -> World:
    """A deployment with it, served under an account of the user's."""
    return serving(serviceAccountName="reviewer", serving={"authentication": authentication})


def pod(world: World) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """The pod, its plain variables, its volumes by name."""
    found = world.objects["Deployment", "cancer-server"]["spec"]["template"]["spec"]
    (container,) = found["containers"]
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in found["volumes"]}
    variables = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    return found, variables, {one["name"]: one for one in found["volumes"]}


def egress(world: World) -> list[Any]:
    """Where the pods may go."""
    found: list[Any] = world.objects["NetworkPolicy", "cancer-server"]["spec"]["egress"]
    return found


@pytest.mark.parametrize("kind", ["None", "Token"])
def test_servers_have_no_identity_that_they_do_not_need(kind: str) -> None:
    """No token of the account's, and no way out."""
    world = asked(type=kind, **({"secret": "tokens"} if kind == "Token" else {}))
    found, variables, volumes = pod(world)
    assert found["automountServiceAccountToken"] is False
    assert "identity" not in volumes
    assert not any("projected" in one for one in volumes.values())
    assert "ROPEWALK_NAMESPACE" not in variables
    assert variables.get("ROPEWALK_AUTHENTICATION") == (None if kind == "None" else kind)
    assert egress(world) == []


def test_servers_that_ask_the_api_server_can() -> None:
    """With the account's short-lived token, the cluster's CA and an open way."""
    world = asked(type="Kubernetes", audience="models.example")
    found, variables, volumes = pod(world)
    assert found["serviceAccountName"] == "reviewer"
    assert found["automountServiceAccountToken"] is False
    token, authority = volumes["identity"]["projected"]["sources"]
    assert token["serviceAccountToken"]["expirationSeconds"] <= 3600
    assert authority["configMap"]["name"] == "kube-root-ca.crt"
    assert variables["ROPEWALK_AUTHENTICATION"] == "Kubernetes"
    assert variables["ROPEWALK_AUDIENCE"] == "models.example"
    assert variables["ROPEWALK_NAMESPACE"] == "demo"
    (rule,) = egress(world)
    assert {one["port"] for one in rule["ports"]} == {443, 6443}


@pytest.mark.parametrize(
    "spec",
    [
        {"serving": {"authentication": {"type": "OIDC"}}},
        {"serving": {"authentication": {"type": "Token"}}},
        {"serving": {"authentication": {"type": "Kubernetes"}}},
    ],
)
def test_what_cannot_be_honoured_never_means_everybody(spec: dict[str, Any]) -> None:
    """Should a newer definition or an older one let it through."""
    with pytest.raises(InvalidSpec, match=r"spec\.serving\.authentication"):
        read({"metadata": {"name": "x"}, "spec": {"model": {"pipeline": "p"}, **spec}})
