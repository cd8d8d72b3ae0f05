"""kopf's watches: each event becomes a key in the queue. The only file that imports kopf."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import kopf

from ..core import names
from ..core.plan import Ref
from .connection import Connection
from .queue import PASSES_AT_ONCE, Key, Queue
from .reconcile import API_VERSION, Reconciler

CHILD_PAUSE = 0.1
"""Children change in bursts (a Deployment, its pod, the pod again): one pass sees them all. The longer the queue, the
longer the pause, so that what was just created gets its children before others' children are looked at again."""
DEPLOYMENT_PAUSE = 1.0
"""A Deployment's status says little that its pods have not said before."""
WATCHED_CHILDREN = (
    ("batch", "v1", "jobs"),
    ("", "v1", "pods"),
    ("apps", "v1", "deployments"),
    ("", "v1", "configmaps"),
)
WATCHED_FOR_DELETION = (
    ("", "v1", "services"),
    ("", "v1", "serviceaccounts"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("networking.k8s.io", "v1", "networkpolicies"),
)
PLURALS = {"Pipeline": "pipelines", "ModelDeployment": "modeldeployments"}
OWNER_LABELS = {names.PIPELINE_LABEL: "Pipeline", names.MODEL_DEPLOYMENT_LABEL: "ModelDeployment"}


class NoDiffBase(kopf.DiffBaseStorage):  # type: ignore[misc]
    """Keeps nothing of an object to compare it with later: we have no handlers of changes.

    kopf would copy and compare every object of every event for them all the same, which is half of what an operator
    of many resources costs.
    """

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> Any:
        """Nothing of any object is essential."""
        return {}

    def fetch(self, *, body: kopf.Body) -> Any:
        """Nothing was kept."""

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:
        """Nothing is kept."""


async def listen(
    connection: Connection,
    queue: Queue,
    reconciler: Reconciler,
    *,
    namespaces: tuple[str, ...],
    identity: str,
    stop: asyncio.Event,
) -> None:
    """Listen until `stop` is set. No `namespaces`: in all of them."""
    registry = kopf.OperatorRegistry()
    for kind, plural in PLURALS.items():
        kopf.on.event("ropewalk.dev", "v1alpha1", plural, registry=registry, id=plural)(
            _of_resource(kind, queue, reconciler)
        )
    for group, version, plural in WATCHED_CHILDREN:
        on_child = kopf.on.event(group, version, plural, registry=registry, id=plural)
        on_child(_of_child(queue, DEPLOYMENT_PAUSE if plural == "deployments" else CHILD_PAUSE))
    for group, version, plural in WATCHED_FOR_DELETION:
        on_loss = kopf.on.event(group, version, plural, registry=registry, id=plural)
        on_loss(_of_quiet_child(queue, reconciler))

    async def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(
            server=connection.server,
            ca_path=connection.ca_file,
            certificate_path=connection.cert_file,
            private_key_path=connection.key_file,
            insecure=not connection.verify,
            token=connection.bearer(),
        )

    kopf.on.login(registry=registry)(login)
    await kopf.operator(
        registry=registry,
        settings=_settings(),
        clusterwide=not namespaces,
        namespaces=namespaces,
        standalone=True,
        identity=identity,
        stop_flag=stop,
    )


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 5
    settings.queueing.idle_timeout = 1.0
    settings.persistence.diffbase_storage = NoDiffBase()
    for group, version, plural in (*WATCHED_CHILDREN, *WATCHED_FOR_DELETION):
        settings.watching.label_selectors[group, version, plural] = f"{names.MANAGED_BY_LABEL}=ropewalk"
    return settings


def _of_resource(kind: str, queue: Queue, reconciler: Reconciler) -> Any:
    async def heard(event: Mapping[str, Any], **_: Any) -> None:
        meta = event["object"]["metadata"]
        key = Key(kind, meta["namespace"], meta["name"])
        if event.get("type") == "DELETED":
            queue.forget(key)
            reconciler.forget(key)
        elif not reconciler.is_echo(key, str(meta.get("resourceVersion"))):
            queue.add(key)
        followed = _refused_champion_of(event["object"]) if kind == "ModelDeployment" else ""
        if followed:
            queue.add(Key("Pipeline", key.namespace, followed))
        ref = Ref(API_VERSION, kind, key.name)
        for other, refs in list(reconciler.interests.items()):
            if other.namespace == key.namespace and ref in refs:
                queue.add(other)

    return heard


def _refused_champion_of(deployment: Mapping[str, Any]) -> str:
    """The Pipeline that a ModelDeployment follows, if it has refused a version: the title may go back."""
    if not (deployment.get("status") or {}).get("quarantined"):
        return ""
    return str(((deployment.get("spec") or {}).get("model") or {}).get("pipeline") or "")


def _of_child(queue: Queue, pause: float) -> Any:
    async def heard(event: Mapping[str, Any], **_: Any) -> None:
        for key in _owners(event["object"]["metadata"]):
            queue.add(key, pause * (1 + queue.backlog / PASSES_AT_ONCE))

    return heard


def _of_quiet_child(queue: Queue, reconciler: Reconciler) -> Any:
    async def heard(event: Mapping[str, Any], **_: Any) -> None:
        if event.get("type") == "DELETED":
            for key in _owners(event["object"]["metadata"]):
                reconciler.quiet.forget(key)
                queue.add(key, CHILD_PAUSE)

    return heard


def _owners(meta: Mapping[str, Any]) -> Iterator[Key]:
    """The resources that a child belongs to by its labels: one at most, in an honest cluster."""
    labels = meta.get("labels") or {}
    for label, kind in OWNER_LABELS.items():
        if label in labels:
            yield Key(kind, meta["namespace"], _owner_name(meta, labels[label]))


def _owner_name(meta: Mapping[str, Any], label_value: str) -> str:
    """The owner's name. Resource names fit a label (CRD rule), so the label's value tells the name."""
    owners = (owner for owner in meta.get("ownerReferences") or () if owner.get("apiVersion") == API_VERSION)
    return next((str(owner["name"]) for owner in owners), names.owner_in(label_value))
