"""The versions that this pod holds: loaded one at a time in a thread beside the live one, switched in one step.

All state changes on the event loop; the loading thread only returns a result. The live version is replaced by a
proved one or not at all.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ropewalk_contract import reasons, wire
from ropewalk_contract.documents.status_report import HeldVersion
from ropewalk_server.log import log
from ropewalk_server.serving import memory
from ropewalk_server.serving.crashmarks import CrashMarks
from ropewalk_server.serving.decoders import Decoders
from ropewalk_server.serving.model import LoadError, Model, load_from, read_parts
from ropewalk_server.serving.routes import Route, Routes

State = Literal["Loading", "Proved", "Failed", "Skipped"]
RETRY_SECONDS = 5.0
LIVE_TRIES = 2
"""Processes that may die while they load the live version before it is skipped: one may have died of something else."""


@dataclass
class Held:
    """One listed version and what came of it."""

    route: Route
    engine: str
    """The engine that was asked for when it was last tried; a model keeps answering until another one can."""
    state: State = "Loading"
    reason: str = ""
    message: str = ""
    model: Model | None = None
    retry_at: float = 0.0
    started: bool = False
    loaded_at: float = 0.0
    """Seconds since the epoch at which `model` was there."""
    retry: int = 0
    """The routes' `retry` when it was admitted."""
    changing: bool = False
    """Whether another engine is to be loaded, which suits the requests that come better."""

    @property
    def mark(self) -> str:
        """The mark of its load: a crash while only the engine changes must not cost the version."""
        of = mark_of(self.route, self.retry)
        return of if self.model is None else f"{of} on another engine"

    def is_for(self, route: Route) -> bool:
        """Whether this is what the route asks for; of a loaded model its own digests tell."""
        if self.model is None:
            return self.route == route
        known = route.digest in ("", self.model.digest) and route.manifest_digest in (None, self.model.manifest_digest)
        return known and self.route.path == route.path


def mark_of(route: Route, retry: int) -> str:
    """The name of a version's load on disk: a digest may be unknown, a path never is."""
    return f"{route.path} {route.digest} {route.manifest_digest} {retry}"


class Versions:
    """The loaded versions, and the live one, which answers requests that name none."""

    def __init__(
        self,
        *,
        pod: str,
        root: Path,
        marks: CrashMarks,
        decoders: Decoders,
        headroom: Callable[[], int | None] = memory.headroom,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pod = pod
        self._root = root
        self._marks = marks
        self._decoders = decoders
        self._headroom = headroom
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._loading: asyncio.Task[None] | None = None
        self._stopping = False
        self.routes: Routes | None = None
        self.held: dict[int, Held] = {}
        self._successor: Held | None = None
        """Another model under the live version's number, which goes on answering until this one is proved."""
        self.live: int | None = None
        self._rows = 1.0
        self.loads = {"proved": 0, "failed": 0, "skipped": 0}
        """Versions tried since the process started, by what came of it."""

    @property
    def live_model(self) -> Model | None:
        """The model that answers requests that name no version."""
        return None if self.live is None else self.held[self.live].model

    def model(self, version: int) -> Model | None:
        """A proved version, or None."""
        held = self.held.get(version)
        return None if held is None else held.model

    def follow(self, routes: Routes) -> None:
        """Take new routes: forget what is not listed, queue what is new, switch if the live one is proved."""
        self.routes = routes
        listed = {route.version: route for route in routes.versions}
        for version, held in list(self.held.items()):
            if self._goes_on(held, listed.get(version)):
                held.route = listed[version]
            elif version != self.live:
                del self.held[version]
        successor = self._successor
        if successor is not None and not self._goes_on(successor, listed.get(successor.route.version)):
            self._successor = None
        for version, route in listed.items():
            if not self._is_mine(version, routes):
                continue
            if version not in self.held:
                self.held[version] = self._admit(route, routes)
            elif not self.held[version].is_for(route) and self._successor is None:
                self._successor = self._admit(route, routes)
        self._switch()
        self.tick()

    def prefer(self, rows: float) -> None:
        """Requests have so many rows: load the live version on another engine where Auto would find a faster one."""
        held = None if self.live is None else self.held.get(self.live)
        if held is None or held.model is None or self.routes is None or self.routes.engine != "Auto":
            return
        better = held.model.faster_engine(rows)
        if better is not None and not held.changing and not self._marks.deaths(held.mark):
            log("info", "engine changes", version=self.live, engine=better, rows_a_request=round(rows, 1))
            self._rows, held.changing = rows, True
            self.tick()

    def _goes_on(self, held: Held, route: Route | None) -> bool:
        """Whether it is listed as it is. What is not loaded is tried anew for another engine, or on demand."""
        if route is None or self.routes is None or not held.is_for(route):
            return False
        if held.state == "Skipped" and self._marks.deaths(held.mark) < self._tries(route, self.routes):
            return False
        return held.model is not None or (held.engine, held.retry) == (self.routes.engine, self.routes.retry)

    @staticmethod
    def _tries(route: Route, routes: Routes) -> int:
        """Deaths while it loads after which a version is tried no more."""
        return LIVE_TRIES if route.version == routes.live else 1

    def _all(self) -> list[Held]:
        """All held versions, by number; a successor after the one whose number it will take."""
        found = [held for _, held in sorted(self.held.items())]
        return [*found, self._successor] if self._successor is not None else found

    def _is_mine(self, version: int, routes: Routes) -> bool:
        return routes.pilot is None or routes.pilot == self._pod or version == routes.live

    def _admit(self, route: Route, routes: Routes) -> Held:
        held = Held(route, routes.engine, retry=routes.retry)
        if self._marks.deaths(held.mark) >= self._tries(route, routes):
            held.state, held.reason = "Skipped", reasons.CRASHED_WHILE_LOADING
            held.message = f"The server died while it loaded version {route.version}; this pod does not try again"
            self.loads["skipped"] += 1
            log("error", "version skipped", version=route.version, reason=held.reason)
        return held

    def tick(self) -> None:
        """Start the next load, if none is running: the live version first. Call often."""
        if self._stopping or self.routes is None or (self._loading is not None and not self._loading.done()):
            return
        now = self._clock()
        waiting = [
            held
            for held in self._all()
            if (held.state == "Loading" and not held.started)
            or (held.state == "Failed" and held.reason in reasons.RETRIED_BY_SERVERS and held.retry_at <= now)
            or (held.model is not None and (held.engine != self.routes.engine or held.changing))
        ]
        if not waiting:
            return
        live = self.routes.live
        held = min(waiting, key=lambda one: (one.route.version != live, one.route.version))
        held.started, held.engine, held.changing = True, self.routes.engine, False
        self._loading = asyncio.get_running_loop().create_task(self._load(held))

    async def _load(self, held: Held) -> None:
        started = self._clock()
        version = held.route.version
        try:
            model = await asyncio.get_running_loop().run_in_executor(self._thread, self._load_blocking, held)
            # A session for this thread too, before the first request needs it.
            model.session()
        except Exception as error:
            held.reason = error.reason if isinstance(error, LoadError) else reasons.LOAD_FAILED
            held.message = str(error) if isinstance(error, LoadError) else f"Loading failed: {error!r}"[:500]
            if held.model is not None:
                held.model.offers = ()  # it goes on with the engine it has
            else:
                held.state, held.retry_at = "Failed", self._clock() + RETRY_SECONDS
            self.loads["failed"] += 1
            log("error", "version failed", version=version, reason=held.reason, detail=held.message)
        else:
            held.state, held.reason, held.message, held.model = "Proved", "", "", model
            held.loaded_at = time.time()
            self.loads["proved"] += 1
            took = round(self._clock() - started, 3)
            log("info", "version proved", version=version, engine=model.engine_name, seconds=took)
            # What was loaded lives long: collections need not walk over it again (p99 falls by four fifths).
            # What was let go since the last time is looked at once more, or its cycles would stay for ever.
            gc.unfreeze()
            gc.collect()
            gc.freeze()
        self._switch()
        asyncio.get_running_loop().call_soon(self.tick)

    def _load_blocking(self, held: Held) -> Model:
        mark = held.mark
        self._marks.mark(mark)
        try:
            parts = read_parts(self._local(held.route.path), held.route.manifest_digest)
            if held.route.digest not in ("", parts.manifest.model_digest):
                raise LoadError(
                    reasons.TAMPERED_MODEL,
                    f"The version has model digest {parts.manifest.model_digest}, expected {held.route.digest}",
                )
            available = self._headroom()
            if not memory.fits(parts.manifest.loaded_bytes, available):
                raise LoadError(
                    reasons.INSUFFICIENT_MEMORY,
                    f"Version {held.route.version} takes {parts.manifest.loaded_bytes >> 20} MiB, "
                    f"{max(0, available or 0) >> 20} MiB are left below the memory limit",
                )
            return load_from(parts, held.engine, self._rows, decoders=self._decoders)
        finally:
            self._marks.clear(mark)

    def _local(self, path: str) -> Path:
        """Place on this machine: routes name paths below wire.ROOT, tests run elsewhere."""
        prefix = f"{wire.ROOT}/"
        return self._root / path[len(prefix) :] if path.startswith(prefix) else Path(path)

    def _switch(self) -> None:
        """Make the routes' live version live here if it is proved, and let go of an unlisted former one."""
        if self.routes is None:
            return
        wanted = self.routes.live
        if wanted is not None and wanted != self.live:
            held = self.held.get(wanted)
            if held is not None and held.model is not None:
                former, self.live = self.live, wanted
                log("info", "version live", version=wanted, former=former, revision=self.routes.revision)
        self._succeed(wanted)
        listed = {route.version: route for route in self.routes.versions}
        for version, held in list(self.held.items()):
            if version != self.live and (version not in listed or not held.is_for(listed[version])):
                del self.held[version]

    def _succeed(self, wanted: int | None) -> None:
        """Let the successor take its number over: when it can answer, or when that number need not answer any more."""
        successor = self._successor
        if successor is None:
            return
        number = successor.route.version
        if number != self.live or (number == wanted and successor.model is not None):
            self.held[number], self._successor = successor, None
            log("info", "version exchanged", version=number, path=successor.route.path)

    def report(self) -> tuple[HeldVersion, ...]:
        """`versions` of GET /status."""
        return tuple(
            HeldVersion(
                version=held.route.version,
                digest=held.route.digest,
                path=held.route.path,
                state=held.state,
                reason=held.reason,
                message=held.message,
                engine="" if held.model is None else held.model.engine_name,
            )
            for held in self._all()
        )

    def stop(self) -> None:
        """At an orderly stop: no mark may stay for a load that was merely interrupted."""
        self._stopping = True
        for held in self._all():
            if held.state != "Skipped":
                self._marks.clear(held.mark)
        self._thread.shutdown(wait=False, cancel_futures=True)
