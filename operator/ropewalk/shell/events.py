"""Events on the resources: what equals an Event of the last hour is counted on it, not written anew."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import aiohttp

from ..core import names
from ..core.conditions import clip, timestamp
from ..core.plan import Event, Json
from .cluster import ApiError, Cluster, Conflict

LOG = logging.getLogger(__name__)
COMPONENT = "ropewalk"
SAME_FOR = 3600.0
QUIET_FOR = 600.0
MOST_KEPT = 4096


class Recorder:
    """Writes Events under names that follow from owner, reason, message and hour; best effort, never a failed pass."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._last: dict[str, datetime] = {}
        self._counts: dict[str, int] = {}

    async def record(self, owner: Json, event: Event, now: datetime) -> None:
        """Write or count `event`; the same one again within ten minutes is not worth a write."""
        meta = owner["metadata"]
        hour = int(now.timestamp() // SAME_FOR)
        identity = names.digest([meta["uid"], event.type, event.reason, event.message, hour], 16)
        name = f"{meta['name']}.{identity}"
        if name not in self._counts and len(self._counts) >= MOST_KEPT:
            self._last.clear()
            self._counts.clear()
        self._counts[name] = self._counts.get(name, 0) + 1
        before = self._last.get(name)
        if before is not None and (now - before).total_seconds() < QUIET_FOR:
            return
        try:
            await self._write(owner, event, name, now)
        except (TimeoutError, ApiError, aiohttp.ClientError, OSError) as error:
            LOG.info("event not written", extra={"event": name, "error": str(error)})
            return
        self._last[name] = now

    async def _write(self, owner: Json, event: Event, name: str, now: datetime) -> None:
        meta = owner["metadata"]
        stamp = timestamp(now)
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
                "resourceVersion": meta.get("resourceVersion", ""),
            },
            "type": event.type,
            "reason": event.reason,
            "message": clip(event.message),
            "source": {"component": COMPONENT},
            "reportingComponent": f"{names.GROUP}/operator",
            "reportingInstance": COMPONENT,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            await self._cluster.post_event(body, meta["namespace"])
        except Conflict:
            if name not in self._last:
                self._counts[name] += 1  # a process before this one wrote it
            patch = {"count": self._counts[name], "lastTimestamp": stamp}
            await self._cluster.patch_event(name, patch, meta["namespace"])


def utcnow() -> datetime:
    """The point in time that a pass decides at."""
    return datetime.now(UTC)
