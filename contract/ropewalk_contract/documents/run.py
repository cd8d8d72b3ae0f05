"""run.json: the frozen plan of a run, which the operator writes into a ConfigMap and the trainer follows.

`spec` is the Pipeline's spec as the operator read it, defaults filled in; the trainer names a wrong field of it itself
(ropewalk_trainer.run_document). `read` raises Refused for everything around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ropewalk_contract.documents.fields import any_text, integer, mapping, text, versioned

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that is the champion when the run starts; the candidate is compared with it."""

    version: int
    uri: str
    digest: str | None = None
    data_fingerprint: str | None = None

    def document(self) -> dict[str, Any]:
        """As it is written; what is not known is left out."""
        known = {"digest": self.digest, "dataFingerprint": self.data_fingerprint}
        return {"version": self.version, "uri": self.uri, **{key: value for key, value in known.items() if value}}

    @staticmethod
    def read(document: object) -> Champion:
        """Inverse of `document`."""
        found = mapping(document, "champion")
        digest, fingerprint = found.get("digest"), found.get("dataFingerprint")
        return Champion(
            version=integer(found.get("version"), "champion.version"),
            uri=text(found.get("uri"), "champion.uri"),
            digest=text(digest, "champion.digest", 200) if digest else None,
            data_fingerprint=text(fingerprint, "champion.dataFingerprint", 200) if fingerprint else None,
        )


@dataclass(frozen=True, slots=True)
class RunTask:
    """One run: whose, which, why, and with which spec."""

    namespace: str
    pipeline: str
    uid: str
    run_id: int
    generation: int
    trigger: str
    trigger_reason: str
    spec: Mapping[str, Any]
    champion: Champion | None = None
    adopt_store: bool = False
    """The run may take over a store that bears the uid of another Pipeline."""

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "formatVersion": FORMAT_VERSION,
            "namespace": self.namespace,
            "pipeline": self.pipeline,
            "pipelineUid": self.uid,
            "runId": self.run_id,
            "generation": self.generation,
            "trigger": {"type": self.trigger, "reason": self.trigger_reason},
            "spec": dict(self.spec),
            "champion": self.champion.document() if self.champion is not None else None,
            "adoptStore": self.adopt_store,
        }

    @staticmethod
    def read(document: object) -> RunTask:
        """Inverse of `document`. Refused names the first field that is wrong."""
        found = versioned(document, FORMAT_VERSION)
        trigger = mapping(found.get("trigger") or {}, "trigger")
        champion = found.get("champion")
        return RunTask(
            namespace=text(found.get("namespace"), "namespace", 253),
            pipeline=text(found.get("pipeline"), "pipeline", 253),
            uid=text(found.get("pipelineUid"), "pipelineUid", 253),
            run_id=integer(found.get("runId"), "runId"),
            generation=integer(found.get("generation", 0), "generation"),
            trigger=any_text(trigger.get("type"), 40),
            trigger_reason=any_text(trigger.get("reason"), 1024),
            spec=mapping(found.get("spec"), "spec"),
            champion=Champion.read(champion) if champion else None,
            adopt_store=found.get("adoptStore") is True,
        )
