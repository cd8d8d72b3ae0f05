"""Leader election: one Lease, held for 15 s, renewed every 2 s, given up by the own clock 10 s after a renewal."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp

from ..core.kinds import LEASE
from . import metrics
from .cluster import ApiError, Cluster, Conflict

LOG = logging.getLogger(__name__)
NAME = "ropewalk-operator"
DURATION = 15
RENEW_DEADLINE = 10.0
RETRY = 2.0
REF = LEASE.ref(NAME)


class Lease:
    """Leader election. `leading()` is true only while a renewal of the last ten seconds is known to have succeeded;
    another may take over after fifteen of its own seconds, so two never write at a time (clocks need not agree).

    A renewal is one PUT at the resourceVersion of the last answer. The API server refuses it (409) if anyone has
    written the Lease since; after that, or after any other error, the Lease is read again.
    """

    def __init__(
        self,
        namespace: str,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._namespace = namespace
        self._identity = identity
        self._clock, self._pause = clock, pause
        self._renewed = float("-inf")
        self._seen: tuple[str, float] | None = None
        self._held: dict[str, Any] | None = None
        """The Lease as the last renewal left it; None: it has to be read."""
        self._was_leading = False

    def leading(self) -> bool:
        """Whether this process may write now."""
        return self._clock() - self._renewed < RENEW_DEADLINE

    async def run(self, cluster: Cluster, on_start: Callable[[], None]) -> None:
        """Acquire, renew, lose, acquire again, until cancelled. `on_start` is called each time leadership begins; it
        must not wait for anything, since no renewal comes meanwhile."""
        while True:
            if await self.turn(cluster):
                on_start()
            await self._pause(RETRY)

    async def turn(self, cluster: Cluster) -> bool:
        """One try to acquire or renew; whether leadership begins with it."""
        started = self._clock()
        try:
            if await self._try(cluster):
                # A renewal that came too late begins anew: passes in the gap were dropped.
                self._was_leading = self._was_leading and self.leading()
                self._renewed = started
        except (TimeoutError, ApiError, aiohttp.ClientError, OSError) as error:
            LOG.warning("lease not renewed", extra={"error": str(error)})
        leads = self.leading()
        metrics.LEADING.set(1.0 if leads else 0.0)
        begins = leads and not self._was_leading
        if begins:
            LOG.info("leading", extra={"identity": self._identity})
        elif self._was_leading and not leads:
            LOG.warning("no longer leading", extra={"identity": self._identity})
        self._was_leading = leads
        return begins

    async def release(self, cluster: Cluster) -> None:
        """Give the Lease back so that a successor need not wait; best effort."""
        if not self.leading():
            return
        try:
            there = await cluster.get(REF, self._namespace)
            if there is not None and there.get("spec", {}).get("holderIdentity") == self._identity:
                there["spec"]["holderIdentity"] = ""
                await cluster.put_lease(there, self._namespace, exists=True)
        except (TimeoutError, ApiError, aiohttp.ClientError, OSError) as error:
            LOG.info("lease not released", extra={"error": str(error)})
        self._renewed, self._held = float("-inf"), None

    async def _try(self, cluster: Cluster) -> bool:
        held, self._held = self._held, None  # of an error nothing is known: read again
        if held is not None:
            try:
                await self._put(cluster, held, True)
                return True
            except Conflict:
                pass  # someone wrote: what they wrote decides
        there = await cluster.get(REF, self._namespace)
        if there is None:
            meta = {"name": NAME, "namespace": self._namespace}
            body = {"apiVersion": REF.api_version, "kind": REF.kind, "metadata": meta, "spec": {}}
            await self._put(cluster, body, False)
            return True
        spec = there.setdefault("spec", {})
        holder = spec.get("holderIdentity") or ""
        if holder and holder != self._identity and not self._expired(there):
            return False
        await self._put(cluster, there, True)
        return True

    def _expired(self, lease: dict[str, Any]) -> bool:
        """Whether the Lease has stood unchanged for its duration, by our own clock."""
        version = lease["metadata"].get("resourceVersion", "")
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, self._clock())
        return self._clock() - self._seen[1] > int(lease["spec"].get("leaseDurationSeconds") or DURATION)

    async def _put(self, cluster: Cluster, lease: dict[str, Any], exists: bool) -> None:
        spec = lease["spec"]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if spec.get("holderIdentity") != self._identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + (1 if exists else 0)
        spec |= {"holderIdentity": self._identity, "leaseDurationSeconds": DURATION, "renewTime": now}
        found = await cluster.put_lease(lease, self._namespace, exists=exists)
        if found.get("metadata", {}).get("resourceVersion"):
            self._held = {**found, "apiVersion": REF.api_version, "kind": REF.kind}
