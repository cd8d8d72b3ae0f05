"""The bodies of what runs: a ServiceAccount without rights and a Deployment of servers (contract C3).

The pod template follows from the user's intent and the server image only. A new version is no reason for new pods (D7).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ropewalk.core import security
from ropewalk.core.names import MANAGED_BY_LABEL, bounded
from ropewalk.core.plan import Json, Ref
from ropewalk_contract import wire
from ropewalk_contract.api.modeldeployment import ModelDeployment

from .. import spec as specs
from ..versions import CLAIMS_ROOT
from .resources import resources_of

NAME_LABEL, SERVER = wire.NAME_LABEL, wire.SERVER_NAME
GRPC_PORT = wire.GRPC_PORT
HTTP_PORT = wire.HTTP_PORT
MONITORING_PORT = wire.ADMIN_PORT
CONTAINER = wire.SERVER_CONTAINER
ROUTES_DIRECTORY = f"{wire.ROOT}/{wire.ROUTES_FOLDER}"
STATE_DIRECTORY = f"{wire.ROOT}/{wire.STATE_FOLDER}"
GRACE_SECONDS = 10
"""Beyond a request's deadline: a server that is asked to end answers for 3 s more, then ends what is in flight, and
waits 5 s at most for its last counts to be read."""
TOKEN_SECONDS = 3600
_IDENTITY = wire.IDENTITY_FOLDER


def server_name(resource: ModelDeployment) -> str:
    """The name of the Deployment, ServiceAccount and HorizontalPodAutoscaler."""
    return bounded(resource.metadata.name, "-server")


def autoscaler_ref(name: str) -> Ref:
    """The HorizontalPodAutoscaler of the ModelDeployment of that name."""
    return Ref("autoscaling/v2", "HorizontalPodAutoscaler", bounded(name, "-server"))


def routes_name(resource: ModelDeployment) -> str:
    """The name of the ConfigMap with the routes."""
    return bounded(resource.metadata.name, "-routes")


def server_labels(resource: ModelDeployment) -> dict[str, str]:
    """Labels that Service and disruption budget select; `spec.labels` are of all its children, pods or not."""
    return {**specs.labels(resource), NAME_LABEL: SERVER}


def metadata(resource: ModelDeployment, name: str) -> dict[str, Any]:
    """Metadata of a child: found by its label, collected with its owner."""
    return {
        "name": name,
        "namespace": resource.metadata.namespace,
        "labels": {
            **specs.labels(resource),
            NAME_LABEL: SERVER,
            MANAGED_BY_LABEL: wire.MANAGED_BY,
        },
        "ownerReferences": [
            {
                "apiVersion": wire.API_VERSION,
                "kind": "ModelDeployment",
                "name": resource.metadata.name,
                "uid": resource.metadata.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def service_account(resource: ModelDeployment) -> dict[str, Any]:
    """An identity of its own without a token: a server with it never talks to the API server."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(resource, server_name(resource)),
        "automountServiceAccountToken": False,
    }


def deployment(
    resource: ModelDeployment,
    *,
    image: str,
    tensorflow: bool,
    claims: Iterable[str],
    one_node: bool,
    replicas: int | None,
    idle: bool = False,
) -> dict[str, Any]:
    """The Deployment, of an image with or without TensorFlow.

    `replicas` None leaves the number alone; `one_node` keeps pods where a ReadWriteOnce claim is. Where they are
    `idle`, with nothing to serve yet, those of another image go before better ones are ready, which wait for that.
    """
    mounted = sorted(set(claims))
    container = _container(resource, image, tensorflow, mounted)
    spec: dict[str, Any] = {
        "selector": {"matchLabels": specs.labels(resource)},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": "100%" if idle else 0, "maxSurge": 1},
        },
        "revisionHistoryLimit": 2,
        "template": {
            "metadata": {"labels": metadata(resource, "")["labels"]},
            "spec": _pod(resource, container, mounted, one_node),
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(resource, server_name(resource)),
        "spec": spec,
    }


def _pod(resource: ModelDeployment, container: Json, claims: list[str], one_node: bool) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "serviceAccountName": resource.spec.service_account_name or server_name(resource),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS + max(30, specs.deadline_seconds(resource.spec.serving.limits)),
        "securityContext": security.of_pod(),
        "containers": [container],
        "volumes": [
            {"name": "routes", "configMap": {"name": routes_name(resource)}},
            {"name": "state", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            *(
                # Optional: a server without its Secret is there to say so, which a pod that waits for it is not.
                {"name": name, "secret": {"secretName": secret, "optional": True, "defaultMode": 0o440}}
                for name, secret in _secrets(resource)
            ),
            *([_identity()] if _asks_kubernetes(resource) else []),
            *(
                {"name": _volume(index), "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
                for index, claim in enumerate(claims)
            ),
        ],
    }
    if resource.spec.image_pull_secrets:
        pod["imagePullSecrets"] = specs.image_pull_secrets(resource)
    if resource.spec.serving.node_selector:
        pod["nodeSelector"] = resource.spec.serving.node_selector
    if resource.spec.serving.tolerations:
        pod["tolerations"] = specs.tolerations(resource.spec.serving)
    if one_node:
        term = {"labelSelector": {"matchLabels": specs.labels(resource)}, "topologyKey": "kubernetes.io/hostname"}
        pod["affinity"] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return pod


def _container(resource: ModelDeployment, image: str, tensorflow: bool, claims: list[str]) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [wire.SERVE_PROGRAM, wire.SERVE_COMMAND],
        "env": [
            {"name": wire.MODEL_VARIABLE, "value": resource.metadata.name},
            {"name": wire.POD_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            *_authentication(resource),
            *([{"name": wire.TLS_VARIABLE, "value": "Secret"}] if specs.tls_secret(resource.spec.serving) else []),
            *(
                [{"name": wire.FEEDBACK_VARIABLE, "value": "Secret"}]
                if specs.feedback_secret(resource.spec.monitor)
                else []
            ),
        ],
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"},
            {"name": "monitoring", "containerPort": MONITORING_PORT, "protocol": "TCP"},
        ],
        "resources": resources_of(specs.asked_resources(resource.spec.serving), tensorflow=tensorflow),
        "readinessProbe": _probe(wire.READY_PATH, periodSeconds=1, timeoutSeconds=2, failureThreshold=3),
        # /healthz answers as soon as the process listens, also while a large model takes minutes to load. No startup
        # probe: readiness would begin after it, a second later.
        "livenessProbe": _probe(
            wire.HEALTH_PATH, initialDelaySeconds=90, periodSeconds=10, timeoutSeconds=5, failureThreshold=3
        ),
        "securityContext": security.of_container(),
        "volumeMounts": [
            # The whole directory: a file mounted by subPath never changes while the pod lives.
            {"name": "routes", "mountPath": ROUTES_DIRECTORY, "readOnly": True},
            {"name": "state", "mountPath": STATE_DIRECTORY},
            {"name": "tmp", "mountPath": "/tmp"},
            *({"name": name, "mountPath": f"{wire.ROOT}/{name}", "readOnly": True} for name, _ in _secrets(resource)),
            *(
                [{"name": _IDENTITY, "mountPath": f"{wire.ROOT}/{_IDENTITY}", "readOnly": True}]
                if _asks_kubernetes(resource)
                else []
            ),
            *(
                {"name": _volume(index), "mountPath": f"{CLAIMS_ROOT}/{claim}", "readOnly": True}
                for index, claim in enumerate(claims)
            ),
        ],
    }


def _asks_kubernetes(resource: ModelDeployment) -> bool:
    return resource.spec.serving.authentication.type == "Kubernetes"


def _authentication(resource: ModelDeployment) -> list[Json]:
    """Variables that say who may ask; none where everybody may."""
    asked = resource.spec.serving.authentication
    if asked.type == "None":
        return []
    found: dict[str, str] = {wire.AUTHENTICATION_VARIABLE: asked.type}
    if asked.type == "Kubernetes":
        found |= {wire.NAMESPACE_VARIABLE: resource.metadata.namespace}
    if asked.type == "Kubernetes" and asked.audience:
        found |= {wire.AUDIENCE_VARIABLE: asked.audience}
    return [{"name": name, "value": value} for name, value in found.items()]


def _identity() -> Json:
    """Credentials for the API server: the account's token, renewed by kubelet, and the cluster's CA."""
    token = {"path": wire.TOKEN_FILE, "expirationSeconds": TOKEN_SECONDS}
    authority = {"name": "kube-root-ca.crt", "items": [{"key": wire.AUTHORITY_FILE, "path": wire.AUTHORITY_FILE}]}
    sources = [{"serviceAccountToken": token}, {"configMap": authority}]
    return {"name": _IDENTITY, "projected": {"sources": sources, "defaultMode": 0o440}}


def _secrets(resource: ModelDeployment) -> list[tuple[str, str]]:
    """Volumes, each mounted below ROOT by its name, and the Secrets in them."""
    found = [
        (wire.TOKENS_FOLDER, specs.token_secret(resource.spec.serving)),
        (wire.TLS_FOLDER, specs.tls_secret(resource.spec.serving)),
        (wire.FEEDBACK_FOLDER, specs.feedback_secret(resource.spec.monitor)),
    ]
    return [(name, secret) for name, secret in found if secret]


def _volume(index: int) -> str:
    return f"claim-{index}"


def _probe(path: str, **timing: int) -> Json:
    return {"httpGet": {"path": path, "port": "monitoring"}, **timing}
