"""Result of a helper job, which its termination message carries: outcome, reason, and the content of its type.

A result is input from a pod: `read` gives bounded values, the empty value for each field that is wrong, or None where
the document is no result at all. It never raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ropewalk_contract.documents.fields import (
    any_count,
    any_counts,
    any_list,
    any_mapping,
    any_text,
    any_texts,
    any_whole,
    any_word,
)
from ropewalk_contract.documents.helper_job import IMPORT, RECOVER, SWEEP
from ropewalk_contract.documents.results import FAILED, MAX_MESSAGE, SUCCEEDED, metric_rows
from ropewalk_contract.values import MAX_URI

ABSENT, MINE, FOREIGN = "Absent", "Mine", "Foreign"
MAX_VERSIONS = 10
MAX_DELETED = 20
MAX_ENGINES = 5
MAX_DIGEST = 100


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One complete version of a store; details that did not fit into the message are empty."""

    version: int
    run_id: int
    uri: str = ""
    digest: str = ""
    manifest_digest: str = ""
    blessing: str = ""
    engines: tuple[str, ...] = ()
    data_fingerprint: str = ""
    metrics: tuple[tuple[str, str], ...] = ()

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "version": self.version,
            "uri": self.uri,
            "digest": self.digest,
            "manifestDigest": self.manifest_digest,
            "runId": self.run_id,
            "blessing": self.blessing,
            "engines": list(self.engines),
            "dataFingerprint": self.data_fingerprint,
            "metrics": [{"name": name, "value": value} for name, value in self.metrics],
        }

    @staticmethod
    def read(document: object) -> StoredVersion | None:
        """Inverse of `document`; None without the numbers of a version and of its run."""
        found = any_mapping(document)
        version, run_id = any_count(found.get("version")), any_count(found.get("runId"))
        if not version or not run_id:
            return None
        rows = ((one.get("name"), one.get("value")) for one in any_list(found.get("metrics")) if isinstance(one, dict))
        return StoredVersion(
            version=version,
            run_id=run_id,
            uri=any_text(found.get("uri"), MAX_URI),
            digest=any_text(found.get("digest"), MAX_DIGEST),
            manifest_digest=any_text(found.get("manifestDigest"), MAX_DIGEST),
            blessing=any_word(found.get("blessing")),
            engines=any_texts(found.get("engines"), MAX_ENGINES, 32),
            data_fingerprint=any_text(found.get("dataFingerprint"), MAX_DIGEST),
            metrics=metric_rows(rows),
        )


@dataclass(frozen=True, slots=True)
class Recovered:
    """Content of the result of Recover."""

    store: str = ""
    """Absent, Mine or Foreign; of a foreign store nothing else is told."""
    last_run: int = 0
    unreadable: int = 0
    """Number of damaged versions, which are left out."""
    versions: tuple[StoredVersion, ...] = ()
    """The newest first, and at last the newest blessed one."""
    adopted: bool = False
    """The store was taken over from another Pipeline."""

    def document(self) -> dict[str, Any]:
        """As it is written."""
        if self.store == FOREIGN:
            return {"store": self.store}
        return {
            "store": self.store,
            "lastRun": self.last_run,
            "unreadable": self.unreadable,
            **({"adopted": True} if self.adopted else {}),
            "versions": [one.document() for one in self.versions],
        }

    @staticmethod
    def read(found: Mapping[str, Any]) -> Recovered:
        """Inverse of `document`."""
        listed = (StoredVersion.read(one) for one in any_list(found.get("versions"))[:MAX_VERSIONS])
        return Recovered(
            store=any_word(found.get("store")),
            last_run=any_count(found.get("lastRun")),
            unreadable=any_count(found.get("unreadable")),
            versions=tuple(one for one in listed if one is not None),
            adopted=found.get("adopted") is True,
        )


@dataclass(frozen=True, slots=True)
class Swept:
    """Content of the result of Sweep; the newest of the deleted numbers are told."""

    deleted_versions: tuple[int, ...] = ()
    deleted_runs: tuple[int, ...] = ()
    waiting: int = 0
    """Number of things that a later sweep may delete."""
    freed_bytes: int = 0

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "deletedVersions": list(self.deleted_versions),
            "deletedRuns": list(self.deleted_runs),
            "waiting": self.waiting,
            "freedBytes": self.freed_bytes,
        }

    @staticmethod
    def read(found: Mapping[str, Any]) -> Swept:
        """Inverse of `document`."""
        return Swept(
            deleted_versions=any_counts(found.get("deletedVersions"), MAX_DELETED),
            deleted_runs=any_counts(found.get("deletedRuns"), MAX_DELETED),
            waiting=any_count(found.get("waiting")),
            freed_bytes=any_count(found.get("freedBytes")),
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """Content of the result of Import: the version that was made; an identity that is too long is empty, not cut."""

    uri: str = ""
    digest: str = ""
    manifest_digest: str = ""
    engines: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "uri": self.uri,
            "digest": self.digest,
            "manifestDigest": self.manifest_digest,
            "engines": list(self.engines),
        }

    @staticmethod
    def read(found: Mapping[str, Any]) -> Imported:
        """Inverse of `document`."""
        return Imported(
            uri=any_whole(found.get("uri"), MAX_URI),
            digest=any_whole(found.get("digest"), MAX_DIGEST),
            manifest_digest=any_whole(found.get("manifestDigest"), MAX_DIGEST),
            engines=any_texts(found.get("engines"), MAX_ENGINES, 32),
        )


Content = Recovered | Swept | Imported
CONTENTS: Mapping[str, type[Content]] = {RECOVER: Recovered, SWEEP: Swept, IMPORT: Imported}
"""Type of the content by the type of the helper job."""


@dataclass(frozen=True, slots=True)
class HelperJobResult:
    """Result of a helper job of one type. A failure may have a content too: the part that was done."""

    type: str
    outcome: str
    reason: str = ""
    message: str = ""
    content: Content | None = None
    exit_code: int = 0
    """The container's own; no part of the document."""

    @staticmethod
    def failed(kind: str, reason: str, message: str, exit_code: int) -> HelperJobResult:
        """Result of a helper job that left none itself."""
        text = any_text(message, MAX_MESSAGE)
        return HelperJobResult(kind, FAILED, any_word(reason) or FAILED, text, exit_code=exit_code)

    def document(self) -> dict[str, Any]:
        """As it is written."""
        head = {"outcome": self.outcome, "errand": self.type[:32], "reason": self.reason, "message": self.message}
        return head if self.content is None else {**head, **self.content.document()}

    @staticmethod
    def read(document: object, kind: str) -> HelperJobResult | None:
        """Inverse of `document`. `kind` is the type of the task that was given; the result's own is not believed."""
        found = any_mapping(document)
        if found.get("outcome") not in (SUCCEEDED, FAILED):
            return None
        content = CONTENTS.get(kind)
        return HelperJobResult(
            type=kind,
            outcome=str(found["outcome"]),
            reason=any_word(found.get("reason")),
            message=any_text(found.get("message"), MAX_MESSAGE),
            content=content.read(found) if content is not None else None,
        )
