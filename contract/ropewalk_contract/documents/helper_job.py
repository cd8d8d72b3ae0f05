"""errand.json: the task of a helper job, which the operator writes into a ConfigMap and the trainer's image does.

Recover and Sweep work on the store of a Pipeline, Import on a SavedModel for a ModelDeployment. `read` raises Refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ropewalk_contract.documents.fields import Refused, integer, items, mapping, text, versioned
from ropewalk_contract.values import Digest

FORMAT_VERSION = 1
RECOVER, SWEEP, IMPORT = "Recover", "Sweep", "Import"
MAX_NUMBERS = 100_000
"""Most runs or versions that are in use."""
MAX_GRACE = 10**10
"""Seconds; a timedelta holds more."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Rules of retention in a store: the newest so many stay, and everything that a spec or a status refers to."""

    keep_runs: int
    keep_versions: int
    used_runs: frozenset[int]
    used_versions: frozenset[int]
    now: datetime
    """The operator's clock; a node's may be wrong."""
    grace: timedelta
    """A thing is deleted once it has been unreferenced for this time."""


@dataclass(frozen=True, slots=True)
class Source:
    """A SavedModel to import: `digest` is that of its tree, `number` the version that is made of it."""

    uri: str
    digest: str
    number: int


@dataclass(frozen=True, slots=True)
class HelperJobTask:
    """One helper job. Import has a `source` and no Pipeline."""

    type: str
    namespace: str = ""
    pipeline: str = ""
    uid: str = ""
    artifacts_uri: str = ""
    adopt_store: bool = False
    rules: Retention | None = None
    source: Source | None = None

    def retention(self) -> Retention:
        """The rules of a Sweep. Refused where they are not stated: a guess would delete too much."""
        if self.rules is None:
            raise Refused("keep", None, "an object is expected")
        return self.rules

    def document(self) -> dict[str, Any]:
        """As it is written."""
        head = {"formatVersion": FORMAT_VERSION, "type": self.type}
        if self.source is not None:
            source = self.source
            return {**head, "uri": source.uri, "digest": source.digest, "number": source.number}
        document = {
            **head,
            "namespace": self.namespace,
            "pipeline": self.pipeline,
            "pipelineUid": self.uid,
            "artifacts": self.artifacts_uri,
            "adoptStore": self.adopt_store,
        }
        if self.rules is not None:
            rules = self.rules
            document |= {
                "keep": {"runs": rules.keep_runs, "versions": rules.keep_versions},
                "inUse": {"versions": sorted(rules.used_versions), "runs": sorted(rules.used_runs)},
                "now": rules.now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                "graceSeconds": int(rules.grace.total_seconds()),
            }
        return document

    @staticmethod
    def read(document: object) -> HelperJobTask:
        """Inverse of `document`. Refused names the first field that is wrong."""
        found = versioned(document, FORMAT_VERSION)
        kind = text(found.get("type"), "type", 32)
        if kind == IMPORT:
            return HelperJobTask(kind, source=_source(found))
        return HelperJobTask(
            type=kind,
            namespace=_name(found.get("namespace"), "namespace"),
            pipeline=_name(found.get("pipeline"), "pipeline"),
            uid=text(found.get("pipelineUid"), "pipelineUid"),
            artifacts_uri=text(found.get("artifacts"), "artifacts"),
            adopt_store=found.get("adoptStore") is True,
            rules=_retention(found) if kind == SWEEP or "keep" in found else None,
        )


def moment(value: object, field: str) -> datetime:
    """A time of RFC 3339 with its zone."""
    try:
        found = datetime.fromisoformat(str(value))
        found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(field, value, "a time such as 2026-01-31T12:00:00Z is expected") from None
    if found.tzinfo is None:
        raise Refused(field, value, "a time zone is expected")
    return found


def _source(found: Any) -> Source:
    digest = found.get("digest")
    try:
        parsed = Digest.parse(str(digest))
    except ValueError as error:
        raise Refused("digest", digest, str(error)) from None
    return Source(
        text(found.get("uri"), "uri"), str(parsed), integer(found.get("number"), "number", least=1, most=10**9)
    )


def _retention(found: Any) -> Retention:
    keep, used = mapping(found.get("keep"), "keep"), mapping(found.get("inUse"), "inUse")
    return Retention(
        keep_runs=integer(keep.get("runs"), "keep.runs", least=1),
        keep_versions=integer(keep.get("versions"), "keep.versions", least=1),
        used_runs=_integers(used.get("runs"), "inUse.runs"),
        used_versions=_integers(used.get("versions"), "inUse.versions"),
        now=moment(found.get("now"), "now"),
        grace=timedelta(seconds=integer(found.get("graceSeconds"), "graceSeconds", most=MAX_GRACE)),
    )


def _integers(value: object, field: str) -> frozenset[int]:
    listed: Iterable[object] = items(value, field, MAX_NUMBERS)
    return frozenset(integer(one, field, least=1) for one in listed)


def _name(value: object, field: str) -> str:
    """The name of a resource, which is a folder of the store."""
    found = text(value, field, 253)
    if not (
        found[0].isascii() and found[0].isalnum() and all(c.isascii() and (c.isalnum() or c in ".-") for c in found)
    ):
        raise Refused(field, value, "a resource's name is expected")
    return found
