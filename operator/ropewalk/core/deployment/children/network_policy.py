"""The NetworkPolicies of a ModelDeployment's pods: those of servers and those of imports."""

from __future__ import annotations

from typing import Any

from ropewalk.core.names import bounded
from ropewalk_contract.api.modeldeployment import ModelDeployment

from .. import spec as specs
from .workload import GRPC_PORT, HTTP_PORT, MONITORING_PORT, metadata, server_name

API_SERVER_PORTS = (443, 6443)
"""Of its Service and, since policies are looked at after that is resolved, of its endpoints."""


def of_servers(resource: ModelDeployment, operator_namespace: str) -> dict[str, Any]:
    """Predictions from anywhere, monitoring from this namespace and the operator's, nothing outward.

    But for servers that ask the API server: no selector can name that one, so its usual ports are open.
    """
    asks = resource.spec.serving.authentication.type == "Kubernetes"
    outward = [{"ports": [{"protocol": "TCP", "port": port} for port in API_SERVER_PORTS]}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(resource, server_name(resource)),
        "spec": {
            "podSelector": {"matchLabels": specs.labels(resource)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"ports": [{"protocol": "TCP", "port": port} for port in (HTTP_PORT, GRPC_PORT)]},
                {
                    "ports": [{"protocol": "TCP", "port": MONITORING_PORT}],
                    "from": [
                        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": operator_namespace}}},
                        {"podSelector": {}},
                    ],
                },
            ],
            "egress": outward if asks else [],
        },
    }


def of_imports(resource: ModelDeployment) -> dict[str, Any]:
    """Nothing in or out of an import's pod, in which a model from elsewhere is tried."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(resource, bounded(resource.metadata.name, "-import")),
        "spec": {
            "podSelector": {"matchLabels": specs.helper_job_labels(resource)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": [],
        },
    }
