"""The state of a ModelDeployment between two passes: its status, read into values, and nothing else.

Reading is forgiving. If status was lost, the routes that the servers follow tell what was live.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ropewalk_contract.documents.routes import Route
from ropewalk_contract.documents.routes import Routes as RoutesDocument

from ..conditions import parse_timestamp, timestamp
from ..plan import Json
from .versions import Version, VersionKey, get, number_in, uri_of

MAX_QUARANTINED = 10
MAX_HISTORY = 10


class Step(StrEnum):
    """The steps of a rollout, as status keeps them. Live and RolledBack, its ends, leave no candidate.

    Shadow and Canary will stand between Spreading and Switching, Baking between Switching and Live.
    """

    PENDING = "Pending"
    """No pod can try it yet."""
    LOADING = "Loading"
    """The pilot pod loads it; the first version of all is loaded by every pod."""
    SPREADING = "Spreading"
    """All pods load it beside the live version."""
    SWITCHING = "Switching"
    """Pods were told to answer with it."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes that servers follow. `revision` only ever grows; every content has its own."""

    revision: int
    live: int | None
    pilot: str | None
    versions: tuple[Version, ...]
    at: datetime
    """When this revision was reserved."""
    retry: int = 0
    """Servers try what failed under a lower one again."""

    def version(self, served: int | None) -> Version | None:
        """The version that servers know by that number."""
        return next((one for one in self.versions if one.served == served), None)

    def listed(self, version: Version) -> Version | None:
        """That version as it is listed; one behind a namesake, which servers cannot tell apart, is not."""
        return next((one for one in self.versions if version.same(one) and one is self.version(one.served)), None)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version on its way, and the step of its rollout."""

    version: Version
    step: Step
    since: datetime
    """The begin of the step."""
    performance: Json | None = None
    """Quality of its predictions by labels."""


@dataclass(frozen=True, slots=True)
class Live:
    """The version that answers, proved by the pods."""

    version: Version
    engine: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Retired:
    """The version that answered before; labels for its predictions may still come."""

    version: Version
    since: datetime
    """When it became live."""
    until: datetime
    """When another version took its place."""
    performance: Json | None = None


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """The whole state. Traffic, drift and performance are those of the live version."""

    generation: int = 0
    routes: Routes | None = None
    live: Live | None = None
    candidate: Candidate | None = None
    retired: Retired | None = None
    quarantined: tuple[Json, ...] = ()
    history: tuple[Json, ...] = ()
    last_failure: Json | None = None
    server_image: str = ""
    traffic: Json | None = None
    drift: Json | None = None
    performance: Json | None = None
    forgiven: bool = False
    """Something failed and is to be tried again: servers have yet to be told so."""

    def recovered(self, told: RoutesDocument | None) -> DeploymentState:
        """With `told`, the routes of the ConfigMap, where status was lost."""
        return self if self.routes is not None else replace(self, routes=_recovered(told))

    @property
    def counted(self) -> tuple[Live | Candidate | Retired, ...]:
        """The versions whose counts are kept, the most important first; each once.

        A version that was told to answer and is not seen to yet counts from then on.
        """
        told = self.routes.version(self.routes.live) if self.routes is not None else None
        coming = Candidate(told, Step.SWITCHING, self.routes.at) if told and self.routes else None
        found: dict[VersionKey, Live | Candidate | Retired] = {}
        for one in (self.live, self.candidate, coming, self.retired):
            if one is not None:
                found.setdefault(one.version.key, one)
        return tuple(found.values())

    def is_quarantined(self, version: Version | None) -> Json | None:
        """The entry under which a version failed, if it did."""
        if version is None:
            return None
        return next((entry for entry in self.quarantined if _matches(entry, version)), None)

    def forgiving(self, version: Version | None, since: datetime | None) -> DeploymentState:
        """Without what went wrong with a version before it was made the champion (again): it gets another chance."""
        entry = self.is_quarantined(version)
        at = parse_timestamp(entry.get("at")) if entry is not None else None
        if version is None or at is None or since is None or at >= since:
            return self
        return replace(self.without_quarantine(version), forgiven=True)

    def without_quarantine(self, version: Version) -> DeploymentState:
        """Without the entry under which that version failed."""
        return replace(self, quarantined=tuple(one for one in self.quarantined if not _matches(one, version)))

    def remember(
        self, version: Version, result: str, now: datetime, *, reason: str = "", message: str = ""
    ) -> DeploymentState:
        """One more line of history; the oldest beyond ten are forgotten."""
        entry: dict[str, Any] = {"version": version.number, "result": result, "at": timestamp(now)}
        if version.identity:
            entry["digest"] = version.identity
        if reason:
            entry["reason"] = reason
        if message:
            entry["message"] = message
        return replace(self, history=(*self.history, entry)[-MAX_HISTORY:])


def _matches(entry: Json, version: Version) -> bool:
    if entry.get("digest") and version.identity:
        return bool(entry["digest"] == version.identity)
    return bool(entry.get("version") == version.number)


def read(owner: Json) -> DeploymentState:
    """The state in an owner's status."""
    status = owner.get("status")
    status = status if isinstance(status, dict) else {}
    generation = int(get(owner, "metadata", "generation") or 0)
    quarantined = _documents(status.get("quarantined"))
    same_spec = status.get("observedGeneration") == generation
    return DeploymentState(
        generation=int(status.get("observedGeneration") or 0),
        routes=_routes(status.get("routes")),
        live=_live(status.get("live")),
        candidate=_candidate(status.get("candidate")),
        retired=_retired(status.get("retired")),
        # An edit of the spec gives every version another chance: its author may have changed the cause.
        quarantined=quarantined if same_spec else (),
        forgiven=bool(quarantined) and not same_spec,
        history=_documents(status.get("history")),
        last_failure=_document(status.get("lastFailure")),
        server_image=str(status.get("serverImage") or ""),
        traffic=_document(status.get("traffic")),
        drift=_document(status.get("drift")),
        performance=_document(status.get("performance")),
    )


def routes_document(routes: Routes) -> dict[str, Any]:
    """The routes as status keeps them: the intent, from which the ConfigMap follows."""
    document: dict[str, Any] = {
        "revision": routes.revision,
        "at": timestamp(routes.at),
        "versions": [version.document() for version in routes.versions],
    }
    if routes.live is not None:
        document["live"] = routes.live
    if routes.pilot is not None:
        document["pilot"] = routes.pilot
    if routes.retry:
        document["retry"] = routes.retry
    return document


def _routes(document: object) -> Routes | None:
    if not isinstance(document, dict) or not isinstance(document.get("revision"), int):
        return None
    at = parse_timestamp(document.get("at"))
    listed = [Version.from_document(one) for one in _documents(document.get("versions"))]
    versions = tuple(one for one in listed if one is not None)
    live, retry = document.get("live"), document.get("retry")
    if at is None or not versions:
        return None
    pilot = document.get("pilot") or None
    return Routes(document["revision"], live, pilot, versions, at, retry if isinstance(retry, int) else 0)


def _recovered(told: RoutesDocument | None) -> Routes | None:
    listed = [_version_of(one) for one in told.versions] if told is not None else []
    versions = tuple(one for one in listed if one is not None)
    if told is None or not versions:
        return None
    return Routes(told.revision, told.live, None, versions, datetime.fromtimestamp(0, UTC), told.retry)


def _version_of(route: Route) -> Version | None:
    """The version of a route: servers may know it by another number than its directory states."""
    uri = uri_of(route.path)
    number = number_in(uri)
    names = {"version": number, "uri": uri, "digest": route.digest, "manifestDigest": route.manifest_digest}
    return Version.from_document(names | ({"servedAs": route.version} if route.version != number else {}))


def _live(document: object) -> Live | None:
    version, since = Version.from_document(document), parse_timestamp(get(document, "since"))
    if version is None or since is None:
        return None
    return Live(version, str(get(document, "engine") or ""), since)


def _candidate(document: object) -> Candidate | None:
    version, since = Version.from_document(document), parse_timestamp(get(document, "since"))
    step = get(document, "step")
    if version is None or since is None or step not in list(Step):
        return None
    return Candidate(version, Step(step), since, _document(get(document, "performance")))


def _retired(document: object) -> Retired | None:
    version, since = Version.from_document(document), parse_timestamp(get(document, "since"))
    until = parse_timestamp(get(document, "until"))
    if version is None or since is None or until is None:
        return None
    return Retired(version, since, until, _document(get(document, "performance")))


def _documents(value: object) -> tuple[Json, ...]:
    return tuple(one for one in value if isinstance(one, dict)) if isinstance(value, (list, tuple)) else ()


def _document(value: object) -> Json | None:
    return value if isinstance(value, dict) else None
