"""Watches of the cluster by kopf: each event becomes a key in the work queue. The only file that imports kopf."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import kopf

from ..core import names
from ..core.kinds import CHILDREN, MODEL_DEPLOYMENT, PIPELINE, RESOURCES, Kind, Watch
from .connection import Connection
from .queue import PASSES_AT_ONCE, Key, Queue
from .reconcile import Reconciler

LABEL_SELECTOR = f"{names.MANAGED_BY_LABEL}=ropewalk"


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
    for kind in RESOURCES.values():
        _on_event(registry, kind, _of_resource(kind, queue, reconciler))
    for kind in CHILDREN:
        if kind.watch is Watch.EVENTS:
            _on_event(registry, kind, _of_child(kind, queue))
        elif kind.watch is not Watch.NONE:
            _on_event(registry, kind, _of_quiet_child(kind, queue, reconciler))

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


def _on_event(registry: kopf.OperatorRegistry, kind: Kind, handler: Any) -> None:
    kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=kind.plural)(handler)


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
    for kind in CHILDREN:
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = LABEL_SELECTOR
    return settings


def _of_resource(kind: Kind, queue: Queue, reconciler: Reconciler) -> Any:
    async def heard(event: Mapping[str, Any], **_: Any) -> None:
        meta = event["object"]["metadata"]
        key = Key(kind.name, meta["namespace"], meta["name"])
        if event.get("type") == "DELETED":
            queue.forget(key)
            reconciler.forget(key)
        elif not reconciler.is_echo(key, str(meta.get("resourceVersion"))):
            queue.add(key)
        followed = _refused_champion_of(event["object"]) if kind is MODEL_DEPLOYMENT else ""
        if followed:
            queue.add(Key(PIPELINE.name, key.namespace, followed))
        ref = kind.ref(key.name)
        for other, refs in list(reconciler.interests.items()):
            if other.namespace == key.namespace and ref in refs:
                queue.add(other)

    return heard


def _refused_champion_of(deployment: Mapping[str, Any]) -> str:
    """The Pipeline that a ModelDeployment follows, if it has refused a version: the title may go back."""
    if not (deployment.get("status") or {}).get("quarantined"):
        return ""
    return str(((deployment.get("spec") or {}).get("model") or {}).get("pipeline") or "")


def _of_child(kind: Kind, queue: Queue) -> Any:
    """Every event asks for a pass. The longer the queue, the longer the pause, so that a resource that was just created
    gets its children before the children of others are looked at again."""

    async def heard(event: Mapping[str, Any], **_: Any) -> None:
        for key in _owners(event["object"]["metadata"]):
            queue.add(key, kind.pause * (1 + queue.backlog / PASSES_AT_ONCE))

    return heard


def _of_quiet_child(kind: Kind, queue: Queue, reconciler: Reconciler) -> Any:
    """A deletion asks for a pass that lists the quiet children; changed conditions of some kinds ask for a pass."""

    async def heard(event: Mapping[str, Any], memo: kopf.Memo, **_: Any) -> None:
        deleted = event.get("type") == "DELETED"
        changed = False
        if kind.watch is Watch.CONDITIONS:
            before, memo["conditions"] = memo.get("conditions"), _conditions(event["object"])
            changed = before is not None and before != memo["conditions"]
        for key in _owners(event["object"]["metadata"]) if deleted or changed else ():
            if deleted:
                reconciler.quiet.forget(key)
            queue.add(key, kind.pause)

    return heard


def _conditions(child: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Conditions without their messages and times."""
    found = (child.get("status") or {}).get("conditions") or ()
    return sorted((str(one.get("type")), str(one.get("status")), str(one.get("reason"))) for one in found)


def _owners(meta: Mapping[str, Any]) -> Iterator[Key]:
    """The resources that a child belongs to by its labels: one at most, in an honest cluster."""
    labels = meta.get("labels") or {}
    for kind in RESOURCES.values():
        if kind.owner_label in labels:
            yield Key(kind.name, meta["namespace"], _owner_name(meta, kind, labels[kind.owner_label]))


def _owner_name(meta: Mapping[str, Any], kind: Kind, label_value: str) -> str:
    """The owner's name. Resource names fit a label (CRD rule), so the label's value tells the name."""
    owners = (owner for owner in meta.get("ownerReferences") or () if owner.get("apiVersion") == kind.api_version)
    return next((str(owner["name"]) for owner in owners), names.owner_in(label_value))
