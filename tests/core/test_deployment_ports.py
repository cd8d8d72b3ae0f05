"""The ports of a server: what the pod opens, the Service names and the NetworkPolicy lets in are the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.deployment_world import World, serving

PREDICTIONS = {"http": 8501, "grpc": 8500}


def ports(world: World) -> tuple[dict[str, int], dict[str, Any], list[set[int]]]:
    """Container ports by name, Service ports by name, and the ports of each ingress rule."""
    (container,) = world.objects["Deployment", "cancer-server"]["spec"]["template"]["spec"]["containers"]
    opened = {one["name"]: one["containerPort"] for one in container["ports"]}
    offered = {one["name"]: one for one in world.objects["Service", "cancer"]["spec"]["ports"]}
    rules = world.objects["NetworkPolicy", "cancer-server"]["spec"]["ingress"]
    return opened, offered, [{one["port"] for one in rule["ports"]} for rule in rules]


def test_pod_service_and_policy_agree() -> None:
    """Predictions over HTTP and gRPC from anywhere, monitoring from few."""
    opened, offered, (anybody, few) = ports(serving())
    assert opened == {**PREDICTIONS, "monitoring": 8502}
    assert {name: one["port"] for name, one in offered.items()} == PREDICTIONS
    assert all(one["targetPort"] == name for name, one in offered.items())
    assert (anybody, few) == (set(PREDICTIONS.values()), {8502})


@pytest.mark.parametrize(("tls", "protocol"), [(None, "kubernetes.io/h2c"), ({"secret": "cert"}, "https")])
def test_gateways_learn_that_grpc_is_http2(tls: Any, protocol: str) -> None:
    """Without TLS nothing else would tell them."""
    world = serving(**({"serving": {"tls": tls}} if tls else {}))
    assert ports(world)[1]["grpc"]["appProtocol"] == protocol
