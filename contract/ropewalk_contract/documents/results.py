"""Results of the containers of a run, which termination messages carry: of training and of the smoke test.

A result is input from a pod: `read` gives bounded values, the empty value for each field that is wrong, or None where
the document is no result at all. It never raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ropewalk_contract import reasons
from ropewalk_contract.documents.fields import (
    any_count,
    any_epoch,
    any_list,
    any_mapping,
    any_text,
    any_texts,
    any_word,
)

SUCCEEDED, FAILED, SKIPPED = "Succeeded", "Failed", "Skipped"
MAX_ANOMALIES = 5
MAX_METRICS = 20
MAX_MESSAGE = 600
LOG_LINES, LOG_LENGTH = 10, 300

StageRow = tuple[str, str, float | None, float | None]
"""Name, state, and start and end in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """Result of `train`; parts that are absent are empty."""

    outcome: str
    stage: str = ""
    """The stage that failed."""
    reason: str = ""
    message: str = ""
    stages: tuple[StageRow, ...] = ()
    metrics: tuple[tuple[str, str], ...] = ()
    blessing: str = reasons.NOT_EVALUATED
    reasons: tuple[str, ...] = ()
    """Texts that tell the demands that a version without a blessing does not meet."""
    data_fingerprint: str = ""
    rows: tuple[tuple[str, int], ...] = ()
    """Rows by split."""
    anomalies: tuple[dict[str, Any], ...] = ()
    """`feature`, `reason`, `count`, `share` and `example` of each."""
    record: tuple[str, str] = ("", "")
    """Uri and digest of the run's record in the store."""
    log: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As it is written; what is empty is left out where only some results have it."""
        document: dict[str, Any] = {
            "outcome": self.outcome,
            "stages": [list(row) for row in self.stages],
            "metrics": dict(self.metrics),
            "blessing": self.blessing,
            "reasons": list(self.reasons),
            "dataFingerprint": self.data_fingerprint,
            "rows": dict(self.rows),
            "anomalies": [dict(one) for one in self.anomalies],
            **_filled(stage=self.stage, reason=self.reason, message=self.message, log=list(self.log)),
        }
        if self.record[0]:
            document["record"] = {"uri": self.record[0], "digest": self.record[1]}
        return document

    @staticmethod
    def read(document: object) -> TrainResult | None:
        """Inverse of `document`."""
        found = any_mapping(document)
        if found.get("outcome") not in (SUCCEEDED, FAILED):
            return None
        record = any_mapping(found.get("record"))
        return TrainResult(
            outcome=str(found["outcome"]),
            stage=any_text(found.get("stage"), 32),
            reason=any_word(found.get("reason")),
            message=any_text(found.get("message"), MAX_MESSAGE),
            stages=stage_rows(found.get("stages")),
            metrics=metric_rows(any_mapping(found.get("metrics")).items()),
            blessing=any_text(found.get("blessing"), 16) or reasons.NOT_EVALUATED,
            reasons=any_texts(found.get("reasons"), 8, 200),
            data_fingerprint=any_text(found.get("dataFingerprint"), 100),
            rows=tuple((any_text(k, 20), any_count(v)) for k, v in list(any_mapping(found.get("rows")).items())[:5]),
            anomalies=tuple(
                _anomaly(one) for one in any_list(found.get("anomalies"))[:MAX_ANOMALIES] if isinstance(one, dict)
            ),
            record=(any_text(record.get("uri"), 1024), any_text(record.get("digest"), 100)),
            log=any_texts(found.get("log"), LOG_LINES, LOG_LENGTH),
        )


@dataclass(frozen=True, slots=True)
class SmokeResult:
    """Result of `smoke-test`: the version that stands in its place, or the reason for there being none."""

    outcome: str
    reason: str = ""
    message: str = ""
    version: int = 0
    uri: str = ""
    digest: str = ""
    manifest_digest: str = ""
    engines: tuple[str, ...] = ()
    log: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As it is written; what is empty is left out."""
        return {
            "outcome": self.outcome,
            **_filled(
                reason=self.reason,
                message=self.message,
                version=self.version,
                uri=self.uri,
                digest=self.digest,
                manifestDigest=self.manifest_digest,
                engines=list(self.engines),
                log=list(self.log),
            ),
        }

    @staticmethod
    def read(document: object) -> SmokeResult | None:
        """Inverse of `document`."""
        found = any_mapping(document)
        if found.get("outcome") not in (SUCCEEDED, FAILED, SKIPPED):
            return None
        return SmokeResult(
            outcome=str(found["outcome"]),
            reason=any_word(found.get("reason")),
            message=any_text(found.get("message"), MAX_MESSAGE),
            version=any_count(found.get("version")),
            uri=any_text(found.get("uri"), 1024),
            digest=any_text(found.get("digest"), 100),
            manifest_digest=any_text(found.get("manifestDigest"), 100),
            engines=any_texts(found.get("engines"), 5, 32),
            log=any_texts(found.get("log"), LOG_LINES, LOG_LENGTH),
        )


def stage_rows(value: object) -> tuple[StageRow, ...]:
    """`[[name, state, start, end], ...]`, of a result or of /progress, at most twelve."""
    rows = []
    for row in any_list(value)[:12]:
        if isinstance(row, list) and len(row) >= 2:
            start, end = [*row[2:4], None, None][:2]
            rows.append((any_text(row[0], 32), any_text(row[1], 16), any_epoch(start), any_epoch(end)))
    return tuple(rows)


def _filled(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def metric_rows(found: Iterable[tuple[object, object]]) -> tuple[tuple[str, str], ...]:
    """Names and values. Names are keys of a list in status: names that are equal once they are cut count once."""
    named: dict[str, str] = {}
    for name, value in found:
        named.setdefault(any_text(name, 40), any_text(value, 24))
    return tuple(named.items())[:MAX_METRICS]


def _anomaly(found: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"feature": any_text(found.get("feature"), 64), "reason": any_word(found.get("reason"))}
    if "count" in found:
        kept["count"] = any_count(found["count"])
    for key in ("share", "example"):
        if found.get(key) is not None:
            kept[key] = any_text(found[key], 64)
    return kept
