"""publish.json: the task of the smoke test, which the trainer leaves in the scratch space that both containers see.

Either a candidate that waits for its proof and its number, or the reason why there is none. `read` raises Refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ropewalk_contract.documents.fields import any_text, mapping, text

MAX_PATH = 4096


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version without a number: its directory, the directory in which it gets one, and that one's uri."""

    directory: str
    models: str
    uri: str
    max_latency_p95: str = ""
    """`spec.smokeTest.maxLatencyP95`; empty: no limit."""


@dataclass(frozen=True, slots=True)
class PublishTask:
    """The task of the smoke test: prove the candidate, or report `skip` (a reason) and `message`."""

    candidate: Candidate | None = None
    skip: str = ""
    message: str = ""

    def document(self) -> dict[str, Any]:
        """As it is written."""
        if self.candidate is None:
            return {"skip": self.skip, "message": self.message}
        one = self.candidate
        limits = {"maxLatencyP95": one.max_latency_p95} if one.max_latency_p95 else {}
        return {"candidate": one.directory, "models": one.models, "uri": one.uri, "smokeTest": limits}

    @staticmethod
    def read(document: object) -> PublishTask:
        """Inverse of `document`. Refused names the first field that is wrong."""
        found = mapping(document, "publish.json")
        if "skip" in found:
            return PublishTask(skip=text(found["skip"], "skip", 128), message=any_text(found.get("message"), 600))
        limits = mapping(found.get("smokeTest") or {}, "smokeTest")
        candidate = Candidate(
            directory=text(found.get("candidate"), "candidate", MAX_PATH),
            models=text(found.get("models"), "models", MAX_PATH),
            uri=text(found.get("uri"), "uri"),
            max_latency_p95=any_text(limits.get("maxLatencyP95"), 32),
        )
        return PublishTask(candidate)
