"""The bodies of an import: a ConfigMap with the task, and a Job of the trainer's image that carries it out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ropewalk.core import names
from ropewalk.core.jobs import helper_job_body
from ropewalk.core.objects import name_of, of_kind
from ropewalk.core.plan import Config, Json
from ropewalk.core.quantities import memory_bytes
from ropewalk_contract import wire
from ropewalk_contract.api.modeldeployment import ModelDeployment
from ropewalk_contract.documents.helper_job import IMPORT, HelperJobTask, Source

from .. import spec as specs
from ..children.comparison import HASH_ANNOTATION, stamped
from ..children.workload import NAME_LABEL, metadata
from ..versions import Version, get, number_in
from .record import Import

REQUESTS = {"cpu": "100m", "memory": "512Mi"}
LEAST_MEMORY = "2Gi"
"""Limit: TensorFlow and the engines' compilers; what the servers of the model may take where that is more."""
SECONDS = 1800
_STAMP = ("metadata", "annotations", HASH_ANNOTATION)


def name(resource: ModelDeployment, record: Import) -> str:
    """Of the Job, by what is imported: the result of another one is never taken for this one's."""
    return names.job(f"{resource.metadata.uid} {record.uri} {record.digest}", record.id, "import", 1)


def config_map(resource: ModelDeployment, record: Import) -> dict[str, Any]:
    """`errand.json`."""
    source = Source(record.uri, record.digest, number_in(record.uri))
    document = HelperJobTask(IMPORT, source=source).document()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(resource, record),
        "immutable": True,
        "data": {wire.HELPER_JOB_FILE: json.dumps(document, sort_keys=True)},
    }


def body(resource: ModelDeployment, record: Import, config: Config, *, one_node: bool) -> dict[str, Any]:
    """The Job. Its pod goes where servers may go, and where they are if the claim is on one node."""
    claim = Version(1, record.uri).claim
    meta = _metadata(resource, record)
    resources = {"requests": dict(REQUESTS), "limits": {"memory": _memory(resource)}}
    pod = helper_job_body.pod(config.trainer_image, config_map=meta["name"], claim=claim, resources=resources)
    apart = specs.helper_job_labels(resource)
    if resource.spec.image_pull_secrets:
        pod["imagePullSecrets"] = specs.image_pull_secrets(resource)
    if resource.spec.serving.node_selector:
        pod["nodeSelector"] = dict(resource.spec.serving.node_selector)
    if resource.spec.serving.tolerations:
        pod["tolerations"] = specs.tolerations(resource.spec.serving)
    if one_node:
        # Among what it may be near to is itself, or it would wait for ever where no server is.
        near = {
            "key": names.MODEL_DEPLOYMENT_LABEL,
            "operator": "In",
            "values": [*specs.labels(resource).values(), *apart.values()],
        }
        term = {"labelSelector": {"matchExpressions": [near]}, "topologyKey": "kubernetes.io/hostname"}
        pod["affinity"] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return stamped(helper_job_body.job(meta, pod, seconds=SECONDS, labels={**meta["labels"], **apart}))


def is_outdated(children: Iterable[Json], wanted: Json) -> bool:
    """True if the Job that was made is another than would be made now: of another image, say, or for other nodes."""
    made = (one for one in of_kind(children, "Job") if name_of(one) == name_of(wanted))
    return any(get(one, *_STAMP) != get(wanted, *_STAMP) for one in made)


def is_of_one(child: Json) -> bool:
    """True if a child belongs to an import, by its label."""
    return bool(get(child, "metadata", "labels", names.HELPER_JOB_LABEL))


def _metadata(resource: ModelDeployment, record: Import) -> dict[str, Any]:
    found = metadata(resource, name(resource, record))
    labels = {**found["labels"], NAME_LABEL: "ropewalk-import", names.HELPER_JOB_LABEL: str(record.id)}
    return {**found, "labels": labels}


def _memory(resource: ModelDeployment) -> str:
    asked = str((specs.asked_resources(resource.spec.serving).get("limits") or {}).get("memory") or "")
    try:
        return asked if asked and memory_bytes(asked) > memory_bytes(LEAST_MEMORY) else LEAST_MEMORY
    except ValueError:
        return LEAST_MEMORY
