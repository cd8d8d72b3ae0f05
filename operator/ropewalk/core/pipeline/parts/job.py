"""The Job of one attempt: the trainer as init container, the smoke test as main one, one work directory between them.

Pod security `restricted`, no token, no retries by Kubernetes itself: only the operator makes attempts (D2).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ropewalk.core import names, security
from ropewalk.core.jobs import bodies, helper_job_body
from ropewalk.core.jobs.bodies import ROOT
from ropewalk.core.jobs.observed import SMOKE_TEST, TRAIN
from ropewalk.core.objects import metadata, name_of
from ropewalk.core.plan import Config, Json
from ropewalk.core.quantities import memory_bytes
from ropewalk_contract import wire
from ropewalk_contract.api.pipeline import PipelineSpec
from ropewalk_contract.values import StoreUri

from ..state import PART

TRAIN_RESOURCES = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
SMOKE_TEST_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
HELPER_JOB_RESOURCES = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
HELPER_JOB_SECONDS = 900
TENSORFLOW_IMAGE = f"{names.GROUP}/server-tf-image"
"""Annotation of a Job: the smoke test's other image, for a model that no compiled engine takes."""


def claims(uris: Iterable[str]) -> tuple[str, ...]:
    """The PersistentVolumeClaims that the uris name, sorted."""
    return _named(wire.CLAIM_SCHEME, uris)


def config_maps(uris: Iterable[str]) -> tuple[str, ...]:
    """The ConfigMaps that the uris name, sorted."""
    return _named(wire.CONFIG_MAP_SCHEME, uris)


def _named(scheme: str, uris: Iterable[str]) -> tuple[str, ...]:
    found = set()
    for uri in uris:
        with suppress(ValueError):
            found.add(StoreUri.parse(uri))
    return tuple(sorted({one.name for one in found if one.scheme == scheme}))


def owner_reference(owner: Json) -> dict[str, Any]:
    """The one controller reference of a child."""
    return {
        "apiVersion": owner.get("apiVersion", wire.API_VERSION),
        "kind": owner.get("kind", "Pipeline"),
        "name": name_of(owner),
        "uid": str(metadata(owner).get("uid", "")),
        "controller": True,
    }


def labels(owner: Json, run: int) -> dict[str, str]:
    """Labels by which a run's children are found."""
    return {
        names.PIPELINE_LABEL: names.label_value(name_of(owner)),
        names.RUN_LABEL: str(run),
        names.MANAGED_BY_LABEL: wire.MANAGED_BY,
    }


def template(owner: Json, spec: PipelineSpec, config: Config, *, run: int, run_config: str) -> dict[str, Any]:
    """The Job body of a run, its attempt still open: `for_attempt` gives the body to create."""
    train, uris = spec.train, (spec.artifacts.uri, spec.source.uri)
    mine = {**labels(owner, run), names.PART_LABEL: PART}
    volumes, mounts = _volumes(spec, uris, run_config)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": security.of_pod(),
        "volumes": volumes,
        "initContainers": [
            bodies.container(
                TRAIN,
                train.image or config.trainer_image,
                [wire.TRAIN_PROGRAM, wire.RUN_COMMAND],
                _resources(train.resources, TRAIN_RESOURCES),
                mounts,
            )
        ],
        "containers": [
            bodies.container(
                SMOKE_TEST,
                config.server_image,
                [wire.SERVE_PROGRAM, wire.SMOKE_TEST_COMMAND],
                _resources(spec.resources, SMOKE_TEST_RESOURCES),
                [m for m in mounts if m["name"] not in _only_for_source(spec)],
            )
        ],
    }
    if train.node_selector:
        pod["nodeSelector"] = dict(train.node_selector)
    if train.tolerations:
        pod["tolerations"] = [_json(t) for t in train.tolerations]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "namespace": metadata(owner).get("namespace", ""),
            "labels": mine,
            "annotations": {TENSORFLOW_IMAGE: config.server_tf_image},
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podFailurePolicy": {
                "rules": [{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": {"metadata": {"labels": dict(mine)}, "spec": pod},
        },
    }


def helper_job(owner: Json, spec: PipelineSpec, config: Config, *, name: str, number: int) -> dict[str, Any]:
    """The Job of a helper job: a container of the trainer's image that sees the store and nothing else."""
    meta = helper_job_config(owner, number, "")["metadata"]
    claim = claims([spec.artifacts.uri])[0]
    pod = helper_job_body.pod(
        config.trainer_image, config_map=meta["name"], claim=claim, resources=dict(HELPER_JOB_RESOURCES)
    )
    return helper_job_body.job({**meta, "name": name}, pod, seconds=HELPER_JOB_SECONDS)


def helper_job_name(owner: Json, number: int) -> str:
    """The name of a helper job's Job."""
    return names.job(str(metadata(owner).get("uid", "")), number, "errand", 1)


def helper_job_config(owner: Json, number: int, content: str) -> dict[str, Any]:
    """The immutable ConfigMap with a helper job's `errand.json`."""
    suffix = f"-errand-{number}-{names.digest(metadata(owner).get('uid', ''), 6)}"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.bounded(name_of(owner), suffix),
            "namespace": metadata(owner).get("namespace", ""),
            "labels": {
                names.PIPELINE_LABEL: names.label_value(name_of(owner)),
                names.HELPER_JOB_LABEL: str(number),
                names.MANAGED_BY_LABEL: wire.MANAGED_BY,
            },
            "ownerReferences": [owner_reference(owner)],
        },
        "immutable": True,
        "data": {wire.HELPER_JOB_FILE: content},
    }


def for_attempt(
    body: Json, *, name: str, attempt: int, memory_limit: str = "", tensorflow: bool = False
) -> dict[str, Any]:
    """The body to create for one attempt; no container gets less than `memory_limit`, if it is limited at all.

    With `tensorflow`, the smoke test runs in the server's image that has it.
    """
    result: dict[str, Any] = copy.deepcopy(dict(body))
    result["metadata"]["name"] = name
    for meta in (result["metadata"], result["spec"]["template"]["metadata"]):
        meta["labels"][names.ATTEMPT_LABEL] = str(attempt)
    pod = result["spec"]["template"]["spec"]
    if tensorflow:
        pod["containers"][0]["image"] = tensorflow_image(body)
    for container in (*pod["initContainers"], *pod["containers"]):
        container["env"] = [*container["env"], {"name": wire.ATTEMPT_VARIABLE, "value": str(attempt)}]
        limits = container["resources"].get("limits") or {}
        if memory_limit and "memory" in limits and memory_bytes(limits["memory"]) < memory_bytes(memory_limit):
            container["resources"]["limits"] = {**limits, "memory": memory_limit}
    return result


def tensorflow_image(body: Json) -> str:
    """The smoke test's image with TensorFlow; empty where the run was planned without one."""
    return str((metadata(body).get("annotations") or {}).get(TENSORFLOW_IMAGE) or "")


def memory_limit(body: Json, container: str, raised: str = "") -> str:
    """The memory limit that a container has, given what it was `raised` to; empty where it has none."""
    pod = body["spec"]["template"]["spec"]
    containers = (*pod["initContainers"], *pod["containers"])
    found: Json = next((c for c in containers if c["name"] == container), {})
    own = str((found.get("resources", {}).get("limits") or {}).get("memory", ""))
    return raised if own and raised and memory_bytes(raised) > memory_bytes(own) else own


def _volumes(
    spec: PipelineSpec, uris: tuple[str, ...], run_config: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    volumes: list[dict[str, Any]] = [
        {"name": "run", "configMap": {"name": run_config, "items": [{"key": wire.RUN_FILE, "path": wire.RUN_FILE}]}},
        {"name": "work", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    mounts: list[dict[str, Any]] = [
        {"name": "run", "mountPath": f"{ROOT}/{wire.RUN_FOLDER}", "readOnly": True},
        {"name": "work", "mountPath": f"{ROOT}/{wire.WORK_FOLDER}"},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    written = claims([spec.artifacts.uri])
    for number, claim in enumerate(claims(uris)):
        volume = f"claim-{number}"
        volumes.append({"name": volume, "persistentVolumeClaim": {"claimName": claim}})
        mount: dict[str, Any] = {"name": volume, "mountPath": f"{ROOT}/{wire.CLAIMS_FOLDER}/{claim}"}
        mounts.append(mount if claim in written else {**mount, "readOnly": True})
    for number, config_map in enumerate(config_maps(uris)):
        volume = f"configmap-{number}"
        volumes.append({"name": volume, "configMap": {"name": config_map}})
        mounts.append({"name": volume, "mountPath": f"{ROOT}/{wire.CONFIG_MAPS_FOLDER}/{config_map}", "readOnly": True})
    return volumes, mounts


def _only_for_source(spec: PipelineSpec) -> frozenset[str]:
    """Volumes that hold nothing but source data: the smoke test has no business with them."""
    uris = (spec.artifacts.uri, spec.source.uri)
    written = claims([spec.artifacts.uri])
    only = {f"claim-{n}" for n, claim in enumerate(claims(uris)) if claim not in written}
    return frozenset(only | {f"configmap-{n}" for n, _ in enumerate(config_maps(uris))})


def _resources(wanted: Any, default: dict[str, dict[str, str]]) -> dict[str, Any]:
    """What the user said, as a whole: our limit could lie under the user's request."""
    asked = _json(wanted) if wanted else {}
    return {k: v for k, v in asked.items() if v} if asked else copy.deepcopy(dict(default))


def _json(value: Any) -> Any:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True) if hasattr(value, "model_dump") else value
