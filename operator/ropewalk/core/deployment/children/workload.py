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

from ..versions import CLAIMS_ROOT
from ..wishes import Wishes, resources_of

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


def server_name(wishes: Wishes) -> str:
    """The name of the Deployment, ServiceAccount and HorizontalPodAutoscaler."""
    return bounded(wishes.name, "-server")


def autoscaler_ref(name: str) -> Ref:
    """The HorizontalPodAutoscaler of the ModelDeployment of that name."""
    return Ref("autoscaling/v2", "HorizontalPodAutoscaler", bounded(name, "-server"))


def routes_name(wishes: Wishes) -> str:
    """The name of the ConfigMap with the routes."""
    return bounded(wishes.name, "-routes")


def server_labels(wishes: Wishes) -> dict[str, str]:
    """What the Service and the disruption budget select: `Wishes.labels` are of all its children, pods or not."""
    return {**wishes.labels, NAME_LABEL: SERVER}


def metadata(wishes: Wishes, name: str) -> dict[str, Any]:
    """Metadata of a child: found by its label, collected with its owner."""
    return {
        "name": name,
        "namespace": wishes.namespace,
        "labels": {
            **wishes.labels,
            NAME_LABEL: SERVER,
            MANAGED_BY_LABEL: wire.MANAGED_BY,
        },
        "ownerReferences": [
            {
                "apiVersion": wire.API_VERSION,
                "kind": "ModelDeployment",
                "name": wishes.name,
                "uid": wishes.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def service_account(wishes: Wishes) -> dict[str, Any]:
    """An identity of its own without a token: a server with it never talks to the API server."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(wishes, server_name(wishes)),
        "automountServiceAccountToken": False,
    }


def deployment(
    wishes: Wishes,
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
    container = _container(wishes, image, tensorflow, mounted)
    spec: dict[str, Any] = {
        "selector": {"matchLabels": wishes.labels},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": "100%" if idle else 0, "maxSurge": 1},
        },
        "revisionHistoryLimit": 2,
        "template": {
            "metadata": {"labels": metadata(wishes, "")["labels"]},
            "spec": _pod(wishes, container, mounted, one_node),
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(wishes, server_name(wishes)),
        "spec": spec,
    }


def _pod(wishes: Wishes, container: Json, claims: list[str], one_node: bool) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "serviceAccountName": wishes.service_account or server_name(wishes),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS + max(30, wishes.limits["deadlineSeconds"]),
        "securityContext": security.of_pod(),
        "containers": [container],
        "volumes": [
            {"name": "routes", "configMap": {"name": routes_name(wishes)}},
            {"name": "state", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            *(
                # Optional: a server without its Secret is there to say so, which a pod that waits for it is not.
                {"name": name, "secret": {"secretName": secret, "optional": True, "defaultMode": 0o440}}
                for name, secret in _secrets(wishes)
            ),
            *([_identity()] if _asks_kubernetes(wishes) else []),
            *(
                {"name": _volume(index), "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
                for index, claim in enumerate(claims)
            ),
        ],
    }
    if wishes.image_pull_secrets:
        pod["imagePullSecrets"] = list(wishes.image_pull_secrets)
    if wishes.node_selector:
        pod["nodeSelector"] = wishes.node_selector
    if wishes.tolerations:
        pod["tolerations"] = list(wishes.tolerations)
    if one_node:
        term = {"labelSelector": {"matchLabels": wishes.labels}, "topologyKey": "kubernetes.io/hostname"}
        pod["affinity"] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return pod


def _container(wishes: Wishes, image: str, tensorflow: bool, claims: list[str]) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [wire.SERVE_PROGRAM, wire.SERVE_COMMAND],
        "env": [
            {"name": wire.MODEL_VARIABLE, "value": wishes.name},
            {"name": wire.POD_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            *_authentication(wishes),
            *([{"name": wire.TLS_VARIABLE, "value": "Secret"}] if wishes.tls_secret else []),
            *([{"name": wire.FEEDBACK_VARIABLE, "value": "Secret"}] if wishes.feedback_secret else []),
        ],
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"},
            {"name": "monitoring", "containerPort": MONITORING_PORT, "protocol": "TCP"},
        ],
        "resources": resources_of(wishes.resources, tensorflow=tensorflow),
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
            *({"name": name, "mountPath": f"{wire.ROOT}/{name}", "readOnly": True} for name, _ in _secrets(wishes)),
            *(
                [{"name": _IDENTITY, "mountPath": f"{wire.ROOT}/{_IDENTITY}", "readOnly": True}]
                if _asks_kubernetes(wishes)
                else []
            ),
            *(
                {"name": _volume(index), "mountPath": f"{CLAIMS_ROOT}/{claim}", "readOnly": True}
                for index, claim in enumerate(claims)
            ),
        ],
    }


def _asks_kubernetes(wishes: Wishes) -> bool:
    return wishes.authentication.type == "Kubernetes"


def _authentication(wishes: Wishes) -> list[Json]:
    """Variables that say who may ask; none where everybody may."""
    asked = wishes.authentication
    if asked.type == "None":
        return []
    found = {wire.AUTHENTICATION_VARIABLE: asked.type}
    if asked.type == "Kubernetes":
        found |= {wire.NAMESPACE_VARIABLE: wishes.namespace}
    if asked.audience:
        found |= {wire.AUDIENCE_VARIABLE: asked.audience}
    return [{"name": name, "value": value} for name, value in found.items()]


def _identity() -> Json:
    """What a server asks the API server with: the account's token, renewed by kubelet, and the cluster's CA."""
    token = {"path": wire.TOKEN_FILE, "expirationSeconds": TOKEN_SECONDS}
    authority = {"name": "kube-root-ca.crt", "items": [{"key": wire.AUTHORITY_FILE, "path": wire.AUTHORITY_FILE}]}
    sources = [{"serviceAccountToken": token}, {"configMap": authority}]
    return {"name": _IDENTITY, "projected": {"sources": sources, "defaultMode": 0o440}}


def _secrets(wishes: Wishes) -> list[tuple[str, str]]:
    """Volumes, each mounted below ROOT by its name, and the Secrets in them."""
    found = [
        (wire.TOKENS_FOLDER, wishes.authentication.secret),
        (wire.TLS_FOLDER, wishes.tls_secret),
        (wire.FEEDBACK_FOLDER, wishes.feedback_secret),
    ]
    return [(name, secret) for name, secret in found if secret]


def _volume(index: int) -> str:
    return f"claim-{index}"


def _probe(path: str, **timing: int) -> Json:
    return {"httpGet": {"path": path, "port": "monitoring"}, **timing}
