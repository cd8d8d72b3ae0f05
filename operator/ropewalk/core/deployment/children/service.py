"""The Service of a ModelDeployment, under its own name."""

from __future__ import annotations

from typing import Any

from ropewalk_contract.api.modeldeployment import ModelDeployment

from .. import spec as specs
from .workload import GRPC_PORT, HTTP_PORT, metadata, server_labels


def body(resource: ModelDeployment) -> dict[str, Any]:
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
