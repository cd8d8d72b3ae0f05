"""Status report: what a server answers to GET /status: the routes that it follows and what came of each version.

Input from a pod. `read` raises Refused, and the operator then knows nothing of the pod, which is not the same as zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ropewalk_contract import reasons
from ropewalk_contract.documents.fields import any_text, integer, items, mapping, text, versioned

FORMAT_VERSION = 1
LOADING, PROVED, FAILED, SKIPPED = "Loading", "Proved", "Failed", "Skipped"
MAX_VERSIONS = 100
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """One listed version in one server."""

    version: int
    digest: str
    path: str
    """Its path in the store; empty in the report of a server before this was reported."""
    state: str
    reason: str
    message: str
    engine: str

    @property
    def refused(self) -> bool:
        """It will not serve in this pod."""
        return self.state in (FAILED, SKIPPED)

    @property
    def may_pass(self) -> bool:
        """The server tries again by itself."""
        return self.state == FAILED and self.reason in reasons.RETRIED_BY_SERVERS

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "version": self.version,
            "digest": self.digest,
            "path": self.path,
            "state": self.state,
            "reason": self.reason,
            "message": self.message,
            "engine": self.engine,
        }

    @staticmethod
    def read(document: object, where: str) -> HeldVersion:
        """Inverse of `document`; `where` names the list's entry."""
        found = mapping(document, where)
        return HeldVersion(
            version=integer(found.get("version"), f"{where}.version"),
            digest=any_text(found.get("digest"), 200),
            path=any_text(found.get("path"), 2048),
            state=text(found.get("state"), f"{where}.state", 40),
            reason=any_text(found.get("reason"), 100),
            message=any_text(found.get("message"), MAX_TEXT),
            engine=any_text(found.get("engine"), 40),
        )


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A server's report. `revision` 0: it follows no routes yet; `live` None: no version answers."""

    revision: int
    live: int | None
    versions: tuple[HeldVersion, ...]
    unavailable_reason: str = ""
    """The reason why the server does not answer, whatever it has loaded; empty if there is none."""
    pod: str = ""

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "formatVersion": FORMAT_VERSION,
            "revision": self.revision,
            "pod": self.pod,
            "trouble": self.unavailable_reason,
            "live": self.live,
            "versions": [one.document() for one in self.versions],
        }

    @staticmethod
    def read(document: object) -> StatusReport:
        """Inverse of `document`. Refused names the first field that is wrong."""
        found = versioned(document, FORMAT_VERSION)
        live = found.get("live")
        listed = items(found.get("versions"), "versions", MAX_VERSIONS)
        return StatusReport(
            revision=integer(found.get("revision"), "revision"),
            live=None if live is None else integer(live, "live"),
            versions=tuple(HeldVersion.read(one, f"versions[{index}]") for index, one in enumerate(listed)),
            unavailable_reason=any_text(found.get("trouble"), MAX_TEXT),
            pod=any_text(found.get("pod"), 253),
        )
