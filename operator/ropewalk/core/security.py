"""What every pod of ours may do: nothing. Pod security `restricted`, as another user than root."""

from __future__ import annotations

from typing import Any

USER = 65532


def of_pod() -> dict[str, Any]:
    """A pod's securityContext; its volumes are the user's own."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def of_container() -> dict[str, Any]:
    """A container's securityContext."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
