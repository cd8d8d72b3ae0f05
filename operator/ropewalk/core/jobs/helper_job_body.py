"""The Job of a helper job of any resource: a container of the trainer's image that sees one claim and nothing else."""

from __future__ import annotations

from typing import Any

from ropewalk_contract import wire

from .. import security
from ..plan import Json
from .bodies import ROOT, container
from .observed import HELPER_JOB


def pod(image: str, *, config_map: str, claim: str, resources: Json) -> dict[str, Any]:
    """The pod of a helper job of any resource, told what to do by that ConfigMap."""
    mounts: list[dict[str, Any]] = [
        {"name": "run", "mountPath": f"{ROOT}/{wire.RUN_FOLDER}", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "claim-0", "mountPath": f"{ROOT}/{wire.CLAIMS_FOLDER}/{claim}"},
    ]
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security.of_pod(),
        "volumes": [
            {"name": "run", "configMap": {"name": config_map}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "claim-0", "persistentVolumeClaim": {"claimName": claim}},
        ],
        "containers": [container(HELPER_JOB, image, [wire.TRAIN_PROGRAM, wire.HELPER_JOB_COMMAND], resources, mounts)],
    }


def job(meta: Json, pod: Json, *, seconds: int, labels: Json | None = None) -> dict[str, Any]:
    """The Job of that pod, whose labels are the Job's own where nothing else is said."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": dict(meta),
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": seconds,
            "template": {"metadata": {"labels": dict(meta["labels"] if labels is None else labels)}, "spec": dict(pod)},
        },
    }
