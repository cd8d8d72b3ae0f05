"""The PodDisruptionBudget of the servers."""

from __future__ import annotations

from typing import Any

from ropewalk_contract.api.modeldeployment import ModelDeployment

from .workload import metadata, server_labels, server_name


def body(resource: ModelDeployment) -> dict[str, Any]:
    """A drain takes one server at a time, and never waits for ever where there is only one."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(resource, server_name(resource)),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": server_labels(resource)}},
    }
