"""The operator process: kopf's ears, our queue, Lease, health and metrics. The only file that imports kopf."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import kopf

from ..core import names
from ..core.plan import Config, Ref, ScrapeRequest
from . import definitions
from .cluster import ApiError, Cluster
from .connection import Connection, connect
from .gate import WriteGate
from .health import serve
from .lease import Lease
from .queue import Key, Queue
from .reconcile import API_VERSION, CORES, Reconciler
from .scrape import DirectReader, PodReader

LOG = logging.getLogger(__name__)
RESYNC = 600.0
RESYNC_RETRY = 2.0
DEFINITIONS_RETRY = 2.0
CHILD_PAUSE = 0.1
"""Children change in bursts (a Deployment, its pod, the pod again): one pass sees them all. The longer the queue, the
longer the pause, so that what was just created gets its children before others' children are looked at again."""
DEPLOYMENT_PAUSE = 1.0
"""A Deployment's status says little that its pods have not said before."""
PASSES_AT_ONCE = 16
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


@dataclass(frozen=True)
class Options:
    """How the operator was started."""

    config: Config
    kubeconfig: str | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    """Watched namespaces; empty: all."""
    port: int = 8080
    identity: str = ""
    """Holder of the Lease; empty: made from host and process. Give it only where two with it can never run at once,
    as the containers of one pod: after a crash the next one then leads at once."""
    fault: str = field(default_factory=lambda: os.environ.get("ROPEWALK_FAULT", ""))


class ProxyReader:
    """Reads pods through the API server, for an operator outside the cluster's network (development)."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def read(self, namespace: str, request: ScrapeRequest) -> dict[str, Any]:
        """The JSON object at `request`."""
        return await self._cluster.pod_proxy(namespace, request.pod, request.port, request.path)


class Operator:
    """Everything that runs in the process, put together."""

    def __init__(self, options: Options, connection: Connection) -> None:
        self._options = options
        self._identity = options.identity or f"{socket.gethostname()}_{os.getpid()}_{os.urandom(3).hex()}"
        self._lease = Lease(options.config.operator_namespace, self._identity)
        self._cluster = Cluster(connection, WriteGate(self._lease.leading, options.fault))
        self._missing: str | None = "starting"
        self._ended: str | None = None
        self._stop = asyncio.Event()
        self._begun = asyncio.Event()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; the Lease is given back at the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        runner = await serve(self._options.port, lambda: self._ended, lambda: self._missing)
        try:
            async with self._cluster, DirectReader() as direct:
                in_cluster = self._cluster.connection.in_cluster
                await self._work(direct if in_cluster else ProxyReader(self._cluster))
        finally:
            await runner.cleanup()

    async def _work(self, reader: PodReader) -> None:
        reconciler = Reconciler(
            self._cluster, self._options.config, reader, self._lease.leading, self._options.namespaces
        )
        queue = Queue(reconciler.reconcile, PASSES_AT_ONCE)
        if not await self._definitions_fit():
            return
        tasks = [
            asyncio.create_task(self._listen(queue, reconciler), name="listen"),
            asyncio.create_task(queue.run(), name="queue"),
            asyncio.create_task(self._lease.run(self._cluster, self._begun.set), name="lease"),
            asyncio.create_task(self._resync(queue), name="resync"),
            asyncio.create_task(self._stop.wait(), name="stop"),
        ]
        self._missing = None
        LOG.info("operator started", extra={"namespaces": list(self._options.namespaces) or "all"})
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is not None:
                    self._ended = f"the operator ends, since its task {task.get_name()!r} failed: {error!r}"
                    LOG.error("the operator ends", extra={"task": task.get_name()}, exc_info=error)
                    raise error
        finally:
            self._stop.set()  # kopf ends by nothing else
            for task in tasks[1:]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._lease.release(self._cluster)

    async def _definitions_fit(self) -> bool:
        """Wait until both resources are served as this operator knows them; False when told to stop before."""
        while not self._stop.is_set():
            amiss = await self._amiss()
            if amiss is None:
                return True
            if amiss != self._missing:
                LOG.warning("waiting for the resources", extra={"error": amiss})
            self._missing = amiss
            try:
                await asyncio.wait_for(self._stop.wait(), DEFINITIONS_RETRY)
            except TimeoutError:
                pass
        return False

    async def _amiss(self) -> str | None:
        try:
            found = await definitions.amiss(self._cluster)
            if found is None:
                for kind in CORES:
                    await self._cluster.list(API_VERSION, kind, self._scope()[0])
        except (TimeoutError, ApiError, aiohttp.ClientError, OSError) as error:
            return f"the resources of {API_VERSION} cannot be read ({error}); {definitions.REMEDY}"
        return found

    def _scope(self) -> tuple[str | None, ...]:
        return self._options.namespaces or (None,)

    async def _enqueue_all(self, queue: Queue) -> None:
        for kind in CORES:
            for namespace in self._scope():
                for item in await self._cluster.list(API_VERSION, kind, namespace):
                    meta = item["metadata"]
                    queue.add(Key(kind, meta["namespace"], meta["name"]))

    async def _resync(self, queue: Queue) -> None:
        """Look at everything when leadership begins, and every ten minutes in case an event was lost."""
        pause = RESYNC
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._begun.wait()
            except TimeoutError:
                pass
            self._begun.clear()
            pause = RESYNC
            if self._lease.leading():
                try:
                    await self._enqueue_all(queue)
                except (TimeoutError, ApiError, aiohttp.ClientError, OSError) as error:
                    LOG.warning("resync failed", extra={"error": str(error)})
                    pause = RESYNC_RETRY

    async def _listen(self, queue: Queue, reconciler: Reconciler) -> None:
        registry = kopf.OperatorRegistry()
        settings = kopf.OperatorSettings()
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.peering.standalone = True
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 310
        settings.watching.connect_timeout = 5
        settings.queueing.idle_timeout = 1.0
        for group, version, plural in (*WATCHED_CHILDREN, *WATCHED_FOR_DELETION):
            settings.watching.label_selectors[group, version, plural] = f"{names.MANAGED_BY_LABEL}=ropewalk"
        connection = self._cluster.connection

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
        await kopf.operator(
            registry=registry,
            settings=settings,
            clusterwide=not self._options.namespaces,
            namespaces=self._options.namespaces,
            standalone=True,
            identity=self._identity,
            stop_flag=self._stop,
        )


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
    """The owner's name. Resource names fit a label (CRD rule), so the label's value is the name."""
    owners = (owner for owner in meta.get("ownerReferences") or () if owner.get("apiVersion") == API_VERSION)
    return next((str(owner["name"]) for owner in owners), label_value)


async def run(options: Options) -> None:
    """Run the operator until told to stop."""
    connection = await connect(options.kubeconfig, options.context)
    await Operator(options, connection).run()
