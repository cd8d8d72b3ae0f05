"""One pass over one resource: read everything, let the core decide, execute in order, write one status."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import aiohttp

from ropewalk_contract.api import conditions as api

from ..core import deployment, kinds, names, pipeline
from ..core.kinds import RESOURCES, Kind
from ..core.plan import (
    Annotate,
    Apply,
    Case,
    Config,
    Create,
    Delete,
    Effect,
    Event,
    Json,
    Observed,
    Peers,
    Plan,
    Ref,
)
from . import metrics
from .cluster import ApiError, Cluster, Conflict, NameTaken
from .events import Recorder, utcnow
from .queue import Key, Retry
from .quiet import QuietChildren
from .scrape import PodReader, scrape
from .stalled import Refusal, stalled, without_nulls
from .write_fence import NotLeading

LOG = logging.getLogger(__name__)
UNREADABLE = (ApiError, aiohttp.ClientError, OSError, asyncio.TimeoutError)


CASES: dict[str, Callable[[Json, Config], Case]] = {
    kinds.PIPELINE.name: pipeline.Case,
    kinds.MODEL_DEPLOYMENT.name: deployment.Case,
}
"""The decisions by kind. A new kind of resource is one entry."""


class NamespaceEnds(Exception):
    """The namespace is being deleted with all that is in it: there is nothing left to do for the resource."""


class Reconciler:
    """Carries out passes. `interests` maps each resource to what its decision reads, for those who listen."""

    def __init__(
        self,
        cluster: Cluster,
        config: Config,
        reader: PodReader,
        leading: Callable[[], bool],
        namespaces: tuple[str, ...] = (),
    ) -> None:
        """`namespaces` are those that the operator may read; empty: all."""
        self._namespaces = namespaces
        self._cluster = cluster
        self._config = config
        self._reader = reader
        self._leading = leading
        self._recorder = Recorder(cluster)
        self.interests: dict[Key, frozenset[Ref]] = {}
        self.quiet = QuietChildren()
        self._written: dict[Key, str] = {}
        self._again: dict[Key, frozenset[str]] = {}

    async def reconcile(self, key: Key) -> float | None:
        """One pass; the delay until the next one, None when only an event asks for it. Raises to be retried."""
        if not self._leading():
            return None
        started = time.monotonic()
        result = "error"
        try:
            delay = await self._reconcile(key)
            result = "ok"
            return delay
        except NotLeading:
            result = "not_leading"
            return None
        except NamespaceEnds:
            result = "namespace_ends"
            return None
        except Retry:
            result = "conflict"
            raise
        finally:
            metrics.RECONCILES.labels(key.kind, result).observe(time.monotonic() - started)

    async def _reconcile(self, key: Key) -> float | None:
        owner = await self._cluster.get(RESOURCES[key.kind].ref(key.name), key.namespace)
        if owner is None or owner["metadata"].get("deletionTimestamp"):
            self.forget(key)
            return None
        case = CASES[key.kind](owner, self._config)
        look = bool(kinds.quiet(key.kind)) and self.quiet.due(key, owner)
        observed = await self._observe(key, case, owner, look=look)
        now = utcnow()
        plan = case.plan(observed, now)
        rejected = await self._execute(plan.effects, key)
        refused = await self._write_status(key, owner, plan, rejected, now)
        for event in () if refused else plan.events:
            await self._recorder.record(owner, event, now)
        rejected = rejected or refused
        if rejected is not None:
            await self._recorder.record(owner, Event("Warning", rejected.reason, rejected.message), now)
            raise RuntimeError(rejected.message)
        if look and not observed.unknown and plan.asserts_children:
            self.quiet.settled(key, owner)
        self._tell(key, plan, owner)
        return plan.requeue_after

    def _tell(self, key: Key, plan: Plan, owner: Json) -> None:
        """One line of log for a pass that wrote something, or that another follows for other reasons than before."""
        again = plan.next
        why = again.why if again is not None else "an event"
        writes = len(plan.effects) + (plan.status is not None and plan.status != owner.get("status"))
        reasons = frozenset(one.why for one in plan.requeue)
        level = logging.INFO if writes or self._again.get(key) != reasons else logging.DEBUG
        self._again[key] = reasons
        if LOG.isEnabledFor(level):
            seconds = None if again is None else round(again.seconds, 2)
            fields = {"kind": key.kind, "namespace": key.namespace, "resource": key.name, "writes": writes}
            LOG.log(level, "pass", extra={**fields, "again_in": seconds, "again_for": why})

    def forget(self, key: Key) -> None:
        """The resource is gone: nothing of it stays in memory."""
        self.interests.pop(key, None)
        self.quiet.forget(key)
        self._written.pop(key, None)
        self._again.pop(key, None)
        metrics.forget(key.kind, key.namespace, key.name)

    def is_echo(self, key: Key, resource_version: str) -> bool:
        """Whether an event tells of nothing but our own last write: the pass that wrote it knew as much."""
        return self._written.get(key) == resource_version

    async def _observe(self, key: Key, case: Case, owner: Json, *, look: bool) -> Observed:
        """Everything that the pass rests on; quiet children are part of it where the pass has to `look` at them."""
        selector = names.children_of(RESOURCES[key.kind].owner_label, key.name)
        quiet = kinds.quiet(key.kind)
        listed = (*kinds.listed(key.kind), *(quiet if look else ()))
        refs = case.related()
        self.interests[key] = frozenset(refs)
        lists, gets, peers = await asyncio.gather(
            asyncio.gather(*(self._list(kind, key.namespace, selector) for kind in listed)),
            asyncio.gather(*(self._related(ref, key.namespace) for ref in refs)),
            self._peers(case.peers(), key.namespace),
        )
        children = tuple(item for found in lists if found is not None for item in found)
        unread = frozenset(kind.name for kind, found in zip(listed, lists, strict=True) if found is None)
        unknown = unread | frozenset(kind.name for kind in quiet if not look)
        requests = case.scrapes(children)
        scrapes = await scrape(self._reader, key.namespace, requests)
        related = {ref: found for ref, (known, found) in zip(refs, gets, strict=True) if known}
        return Observed(owner, self._config, children, unknown, related, scrapes, peers)

    async def _peers(self, wanted: Peers | None, namespace: str) -> tuple[dict[str, Any], ...] | None:
        if wanted is None:
            return ()
        scopes = (self._namespaces or (None,)) if wanted.everywhere else (namespace,)
        lists = await asyncio.gather(*(self._list(RESOURCES[wanted.kind], scope, "") for scope in scopes))
        read = [found for found in lists if found is not None]
        return tuple(item for found in read for item in found) if len(read) == len(lists) else None

    async def _list(self, kind: Kind, namespace: str | None, selector: str) -> list[dict[str, Any]] | None:
        try:
            return await self._cluster.list(kind, namespace, selector)
        except UNREADABLE as error:
            LOG.warning("list failed", extra={"kind": kind.name, "namespace": namespace, "error": str(error)})
            return None

    async def _related(self, ref: Ref, namespace: str) -> tuple[bool, dict[str, Any] | None]:
        try:
            return True, await self._cluster.get(ref, namespace)
        except UNREADABLE as error:
            LOG.warning("get failed", extra={"kind": ref.kind, "namespace": namespace, "error": str(error)})
            return False, None

    async def _execute(self, effects: tuple[Effect, ...], key: Key) -> Refusal | None:
        """Run the effects in order; why not, for the first one that cannot be carried out until something changes."""
        for effect in effects:
            try:
                await self._do(effect, key.namespace)
            except Conflict as error:
                raise Retry from error
            except NameTaken as error:
                return Refusal(api.NAME_TAKEN, error.message)
            except ApiError as error:
                if error.status == 403 and "because it is being terminated" in error.message:
                    raise NamespaceEnds from error
                if error.status in (400, 403, 404, 405, 413, 415, 422):
                    return Refusal(api.REJECTED, f"the API server rejected {_named(effect)}: {error.message}")
                raise
        return None

    async def _do(self, effect: Effect, namespace: str) -> None:
        match effect:
            case Apply(body, manager):
                await self._cluster.apply(body, namespace, manager)
            case Create(body):
                await self._cluster.create(body, namespace)
            case Delete(ref, uid):
                await self._cluster.delete(ref, namespace, uid)
            case Annotate(ref, uid, annotation, value):
                await self._cluster.annotate(ref, namespace, uid, annotation, value)

    async def _write_status(
        self, key: Key, owner: Json, plan: Plan, rejected: Refusal | None, now: datetime
    ) -> Refusal | None:
        """Write what has changed; the sentence with which the API server refuses this status for good.

        The status that is stored stays then, and says so itself: without it nobody would know that all stands still.
        """
        before = owner.get("status") or {}
        status = plan.status if plan.status is not None else before
        if rejected is not None:
            status = stalled(before, status, rejected, int(owner["metadata"].get("generation") or 0), now)
        metrics.observe_status(key.kind, key.namespace, key.name, status)
        if status == before or (status := without_nulls(status)) == before:
            return None
        try:
            self._written[key] = await self._cluster.write_status(owner, status)
            return None
        except Conflict as error:
            raise Retry from error
        except ApiError as error:
            if not _for_good(error):
                raise
            refused = Refusal(api.REJECTED, f"the API server rejected the status: {error.message}")
        status = without_nulls(stalled(before, before, refused, int(owner["metadata"].get("generation") or 0), now))
        if status != before:
            try:
                self._written[key] = await self._cluster.write_status(owner, status)
            except Conflict as error:
                raise Retry from error
        return refused


def _for_good(error: ApiError) -> bool:
    """Whether the same write will always be refused. What server-side apply cannot take apart, such as a list with a
    key twice, it answers with 500."""
    return error.status in (400, 413, 422) or (error.status == 500 and "typed patch object" in error.message)


def _named(effect: Effect) -> str:
    if isinstance(effect, (Apply, Create)):
        return f"{effect.body['kind']} {effect.body['metadata']['name']}"
    return f"{effect.ref.kind} {effect.ref.name}"
