"""The bodies of what surrounds the pods: Service, NetworkPolicy, PodDisruptionBudget, HorizontalPodAutoscaler."""

from __future__ import annotations

from typing import Any

from ropewalk.core.names import bounded
from ropewalk_contract.api.modeldeployment import Autoscaling, ModelDeployment

from .. import spec as specs
from .workload import GRPC_PORT, HTTP_PORT, MONITORING_PORT, metadata, server_labels, server_name

API_SERVER_PORTS = (443, 6443)
"""Of its Service and, since policies are looked at after that is resolved, of its endpoints."""


def service(resource: ModelDeployment) -> dict[str, Any]:
    """Predictions only; the monitoring port is for the operator, Prometheus and kubelet, pod by pod.

    Gateways and meshes learn from `appProtocol` that gRPC's port is HTTP/2 from the first byte.
    """
    grpc_is = "https" if specs.tls_secret(resource.spec.serving) else "kubernetes.io/h2c"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(resource, resource.metadata.name),
        "spec": {
            "selector": server_labels(resource),
            "ports": [
                {"name": "http", "port": HTTP_PORT, "targetPort": "http", "protocol": "TCP"},
                {"name": "grpc", "port": GRPC_PORT, "targetPort": "grpc", "protocol": "TCP", "appProtocol": grpc_is},
            ],
        },
    }


def network_policy(resource: ModelDeployment, operator_namespace: str) -> dict[str, Any]:
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


def import_policy(resource: ModelDeployment) -> dict[str, Any]:
    """Nothing in or out of an import's pod, in which a stranger's model is tried."""
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


def disruption_budget(resource: ModelDeployment) -> dict[str, Any]:
    """A drain takes one server at a time, and never waits for ever where there is only one."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(resource, server_name(resource)),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": server_labels(resource)}},
    }


def autoscaler(resource: ModelDeployment, scaling: Autoscaling) -> dict[str, Any]:
    """Aims at a share of the requested CPU; from then on it alone decides the number of pods."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(resource, server_name(resource)),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": server_name(resource)},
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": scaling.target_cpu_percent},
                    },
                }
            ],
        },
    }
