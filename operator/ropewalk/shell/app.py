"""The operator process: its ears, our queue, Lease, health and metrics, put together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from ropewalk_contract import wire

from ..core.kinds import PIPELINE, RESOURCES
from ..core.plan import Config, ScrapeRequest
from . import crd_check
from .cluster import ApiError, Cluster
from .connection import Connection, connect
from .health import serve
from .lease import Lease
from .queue import Key, Queue
from .reconcile import Reconciler
from .scrape import DirectReader, PodReader
from .watches import listen
from .write_fence import WriteFence

LOG = logging.getLogger(__name__)
RESYNC = 600.0
RESYNC_RETRY = 2.0
DEFINITIONS_RETRY = 2.0


@dataclass(frozen=True)
class Options:
    """How the operator was started."""

    config: Config
    kubeconfig: str | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    """Watched namespaces; empty: all."""
    port: int = wire.OPERATOR_PORT
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
        self._cluster = Cluster(connection, WriteFence(self._lease.leading, options.fault))
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
        queue = Queue(reconciler.reconcile)
        if not await self._definitions_fit():
            return
        tasks = [
            asyncio.create_task(self._hear(queue, reconciler), name="listen"),
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

    async def _hear(self, queue: Queue, reconciler: Reconciler) -> None:
        await listen(
            self._cluster.connection,
            queue,
            reconciler,
            namespaces=self._options.namespaces,
            identity=self._identity,
            stop=self._stop,
        )

    async def _definitions_fit(self) -> bool:
        """Wait until both resources are served as this operator knows them; False when told to stop before."""
        while not self._stop.is_set():
            mismatch = await self._amiss()
            if mismatch is None:
                return True
            if mismatch != self._missing:
                LOG.warning("waiting for the resources", extra={"error": mismatch})
            self._missing = mismatch
            try:
                await asyncio.wait_for(self._stop.wait(), DEFINITIONS_RETRY)
            except TimeoutError:
                pass
        return False

    async def _amiss(self) -> str | None:
        try:
            found = await crd_check.mismatch(self._cluster)
            if found is None:
                for kind in RESOURCES.values():
                    await self._cluster.list(kind, self._scope()[0])
        except (TimeoutError, ApiError, aiohttp.ClientError, OSError) as error:
            return f"the resources of {PIPELINE.api_version} cannot be read ({error}); {crd_check.REMEDY}"
        return found

    def _scope(self) -> tuple[str | None, ...]:
        return self._options.namespaces or (None,)

    async def _enqueue_all(self, queue: Queue) -> None:
        for kind in RESOURCES.values():
            for namespace in self._scope():
                for item in await self._cluster.list(kind, namespace):
                    meta = item["metadata"]
                    queue.add(Key(kind.name, meta["namespace"], meta["name"]))

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


async def run(options: Options) -> None:
    """Run the operator until told to stop."""
    connection = await connect(options.kubeconfig, options.context)
    await Operator(options, connection).run()
