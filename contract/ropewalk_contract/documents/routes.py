"""routes.json: versions that the servers of a ModelDeployment hold, the live one, and how requests are taken.

The operator writes it into a ConfigMap, kubelet projects it into the pods. `read` raises Refused: a server stays with
the routes that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from ropewalk_contract.documents.fields import (
    MOST,
    Refused,
    any_count,
    any_list,
    any_mapping,
    any_text,
    integer,
    items,
    mapping,
    number,
    text,
    versioned,
)

FORMAT_VERSION = 1
AUTO, OFF, BOUNDED = "Auto", "Off", "Bounded"
MAX_VERSIONS = 1000
MAX_DELAY_SECONDS = 3600
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Route:
    """One version to hold; an unknown digest is empty or None."""

    version: int
    path: str
    manifest_digest: str | None
    digest: str

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "version": self.version,
            "path": self.path,
            "manifestDigest": self.manifest_digest,
            "digest": self.digest,
        }

    @staticmethod
    def read(document: object, where: str) -> Route:
        """Inverse of `document`; `where` names the list's entry."""
        found = mapping(document, where)
        manifest_digest = found.get("manifestDigest")
        return Route(
            version=integer(found.get("version"), f"{where}.version"),
            path=text(found.get("path"), f"{where}.path", 2048),
            manifest_digest=text(manifest_digest, f"{where}.manifestDigest", 100) if manifest_digest else None,
            digest=any_text(found.get("digest"), 100),
        )


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Bounds of one request: bytes of a body, rows, seconds, and requests at one time in one pod."""

    max_body_bytes: int = 4 * 1024 * 1024
    max_rows: int = 10_000
    deadline_seconds: float = 30
    max_concurrency: int = 256

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "maxBodyBytes": self.max_body_bytes,
            "maxRows": self.max_rows,
            "deadlineSeconds": self.deadline_seconds,
            "maxConcurrency": self.max_concurrency,
        }

    @staticmethod
    def read(document: object) -> RequestLimits:
        """Inverse of `document`; absent keys keep their defaults."""
        found = {**RequestLimits().document(), **mapping(document, "limits")}
        seconds = number(found["deadlineSeconds"], "limits.deadlineSeconds")
        if seconds <= 0:
            raise Refused("limits.deadlineSeconds", seconds, "more than 0 is expected")
        return RequestLimits(
            max_body_bytes=integer(found["maxBodyBytes"], "limits.maxBodyBytes", least=1),
            max_rows=integer(found["maxRows"], "limits.maxRows", least=1),
            deadline_seconds=seconds,
            max_concurrency=integer(found["maxConcurrency"], "limits.maxConcurrency", least=1),
        )


@dataclass(frozen=True, slots=True)
class Batching:
    """Auto, Off, or Bounded: at most `max_rows` in a call, for which a request waits at most `max_delay_seconds`."""

    type: str = AUTO
    max_rows: int = 0
    max_delay_seconds: float = 0

    def document(self) -> dict[str, Any]:
        """As it is written; empty for Auto."""
        if self.type == AUTO:
            return {}
        bounds = {"maxRows": self.max_rows, "maxDelaySeconds": self.max_delay_seconds}
        return {"type": self.type, **(bounds if self.type == BOUNDED else {})}

    @staticmethod
    def read(document: object) -> Batching:
        """Inverse of `document`."""
        found = mapping(document, "batching")
        kind = found.get("type", AUTO)
        if kind in (AUTO, OFF):
            return Batching(kind)
        if kind != BOUNDED:
            raise Refused("batching.type", kind, f"{AUTO}, {OFF} or {BOUNDED} is expected")
        delay = number(found.get("maxDelaySeconds"), "batching.maxDelaySeconds")
        if not 0 <= delay <= MAX_DELAY_SECONDS:
            raise Refused("batching.maxDelaySeconds", delay, f"0 to {MAX_DELAY_SECONDS} is expected")
        return Batching(kind, integer(found.get("maxRows"), "batching.maxRows", least=1), delay)


@dataclass(frozen=True, slots=True)
class Routes:
    """A routes document. A revision is written once; `pilot` is the only pod that loads newcomers, if it is given."""

    revision: int
    live: int | None = None
    pilot: str | None = None
    versions: tuple[Route, ...] = ()
    bucket_seconds: int = 60
    engine: str = AUTO
    limits: RequestLimits = field(default_factory=RequestLimits)
    batching: Batching = field(default_factory=Batching)
    retry: int = 0
    """Versions that failed under another value are tried again."""
    model: str = ""

    def settings(self) -> dict[str, Any]:
        """The part that follows from the spec alone."""
        batching = self.batching.document()
        return {
            "bucketSeconds": self.bucket_seconds,
            "engine": self.engine,
            "limits": self.limits.document(),
            **({"batching": batching} if batching else {}),
        }

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "formatVersion": FORMAT_VERSION,
            "revision": self.revision,
            "model": self.model,
            "pilot": self.pilot,
            "live": self.live,
            "versions": [route.document() for route in self.versions],
            **({"retry": self.retry} if self.retry else {}),
            **self.settings(),
        }

    @staticmethod
    def read(document: object) -> Routes:
        """Inverse of `document`. Refused names the first field that is wrong."""
        found = versioned(document, FORMAT_VERSION)
        live, pilot = found.get("live"), found.get("pilot")
        listed = items(found.get("versions") or [], "versions", MAX_VERSIONS)
        return Routes(
            revision=integer(found.get("revision"), "revision"),
            live=None if live is None else integer(live, "live"),
            pilot=text(pilot, "pilot", 253) if pilot else None,
            versions=tuple(Route.read(one, f"versions[{index}]") for index, one in enumerate(listed)),
            bucket_seconds=integer(found.get("bucketSeconds", 60), "bucketSeconds", least=1),
            engine=text(found.get("engine", AUTO), "engine", 40),
            limits=RequestLimits.read(_or_empty(found, "limits")),
            batching=Batching.read(_or_empty(found, "batching")),
            retry=integer(found.get("retry") or 0, "retry"),
            model=any_text(found.get("model"), 253),
        )

    @staticmethod
    def read_stored(document: object) -> Routes | None:
        """The routes that the operator itself stored, field by field: a wrong field has its default, a wrong version
        is left out. None without a revision, since a lower one than servers have read must not be written."""
        found = any_mapping(document)
        revision = _kept(None, lambda: integer(found.get("revision"), "revision", most=MOST - 1))
        if revision is None:
            return None
        listed = [
            _kept(None, partial(Route.read, one, "versions")) for one in any_list(found.get("versions"))[:MAX_VERSIONS]
        ]
        return Routes(
            revision=revision,
            live=_kept(None, lambda: integer(found.get("live"), "live")),
            pilot=_kept(None, lambda: text(found.get("pilot"), "pilot", 253)),
            versions=tuple(one for one in listed if one is not None),
            bucket_seconds=_kept(60, lambda: integer(found.get("bucketSeconds"), "bucketSeconds", least=1)),
            engine=_kept(AUTO, lambda: text(found.get("engine"), "engine", 40)),
            limits=_kept(RequestLimits(), lambda: RequestLimits.read(_or_empty(found, "limits"))),
            batching=_kept(Batching(), lambda: Batching.read(_or_empty(found, "batching"))),
            retry=any_count(found.get("retry")),
            model=any_text(found.get("model"), 253),
        )


def _kept(default: T, read: Callable[[], T]) -> T:
    """The value of a field, or the default where the field is refused."""
    try:
        return read()
    except Refused:
        return default


def _or_empty(found: Mapping[str, Any], key: str) -> object:
    return found.get(key) or any_mapping(None)
