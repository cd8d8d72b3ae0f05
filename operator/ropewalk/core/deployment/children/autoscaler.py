"""The HorizontalPodAutoscaler of the servers."""

from __future__ import annotations

from typing import Any

from ropewalk_contract.api.modeldeployment import Autoscaling, ModelDeployment

from .workload import metadata, server_name


def body(resource: ModelDeployment, scaling: Autoscaling) -> dict[str, Any]:
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
