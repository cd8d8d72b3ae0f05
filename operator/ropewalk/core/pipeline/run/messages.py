"""What the two containers of a run say when they end: termination messages of at most 2,048 bytes (C2, D11).

All of it is input from a stranger. A parse gives bounded, typed values or None; it never raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ropewalk.core.conditions import clip
from ropewalk.core.jobs.termination_message import document, word
from ropewalk_contract import reasons

MAX_ANOMALIES = 5
MAX_METRICS = 20
MAX_VERSIONS = 10
BLESSED, NOT_BLESSED, NOT_EVALUATED = reasons.BLESSED_REASON, reasons.NOT_BLESSED, reasons.NOT_EVALUATED


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What `train` reported; absent parts are empty."""

    outcome: str
    stage: str
    reason: str
    message: str
    stages: tuple[tuple[str, str, float | None, float | None], ...]
    metrics: tuple[tuple[str, str], ...]
    blessing: str
    reasons: tuple[str, ...]
    data_fingerprint: str
    rows: tuple[tuple[str, int], ...]
    anomalies: tuple[dict[str, Any], ...]
    record: tuple[str, str]
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SmokeResult:
    """What `smoke-test` reported."""

    outcome: str
    reason: str
    message: str
    version: int
    uri: str
    digest: str
    manifest_digest: str
    engines: tuple[str, ...]
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HelperJobResult:
    """What a helper job reported. `versions`, newest first, and `last_run` are of Recover, the rest of Sweep."""

    outcome: str
    reason: str
    message: str
    exit_code: int = 0
    store: str = ""
    """Absent, Mine or Foreign."""
    last_run: int = 0
    versions: tuple[dict[str, Any], ...] = ()
    waiting: int = 0

    @staticmethod
    def failed(reason: str, message: str, exit_code: int) -> HelperJobResult:
        """One that could not say so itself."""
        return HelperJobResult("Failed", word(reason) or "Failed", _text(message, 600), exit_code)


def train_result(text: str) -> TrainResult | None:
    """`train`'s message, or None when it is unreadable."""
    doc = document(text)
    if doc is None or doc.get("outcome") not in ("Succeeded", "Failed"):
        return None
    record = doc.get("record") if isinstance(doc.get("record"), dict) else {}
    assert isinstance(record, dict)
    return TrainResult(
        outcome=str(doc["outcome"]),
        stage=_text(doc.get("stage"), 32),
        reason=word(doc.get("reason")),
        message=_text(doc.get("message"), 600),
        stages=stage_rows(doc.get("stages")),
        metrics=_metrics(_mapping(doc.get("metrics")).items()),
        blessing=_text(doc.get("blessing"), 16) or NOT_EVALUATED,
        reasons=_texts(doc.get("reasons"), 8, 200),
        data_fingerprint=_text(doc.get("dataFingerprint"), 100),
        rows=tuple((_text(k, 20), _count(v)) for k, v in list(_mapping(doc.get("rows")).items())[:5]),
        anomalies=tuple(_anomaly(a) for a in _list(doc.get("anomalies"))[:MAX_ANOMALIES] if isinstance(a, dict)),
        record=(_text(record.get("uri"), 1024), _text(record.get("digest"), 100)),
        log=_texts(doc.get("log"), 10, 300),
    )


def smoke_result(text: str) -> SmokeResult | None:
    """`smoke-test`'s message, or None when it is unreadable."""
    doc = document(text)
    if doc is None or doc.get("outcome") not in ("Succeeded", "Failed", "Skipped"):
        return None
    return SmokeResult(
        outcome=str(doc["outcome"]),
        reason=word(doc.get("reason")),
        message=_text(doc.get("message"), 600),
        version=_count(doc.get("version")),
        uri=_text(doc.get("uri"), 1024),
        digest=_text(doc.get("digest"), 100),
        manifest_digest=_text(doc.get("manifestDigest"), 100),
        engines=_texts(doc.get("engines"), 5, 32),
        log=_texts(doc.get("log"), 10, 300),
    )


def helper_job_result(text: str) -> HelperJobResult | None:
    """A helper job's message, or None when it is unreadable."""
    doc = document(text)
    if doc is None or doc.get("outcome") not in ("Succeeded", "Failed"):
        return None
    versions = (_version(one) for one in _list(doc.get("versions"))[:MAX_VERSIONS] if isinstance(one, dict))
    return HelperJobResult(
        outcome=str(doc["outcome"]),
        reason=word(doc.get("reason")),
        message=_text(doc.get("message"), 600),
        store=word(doc.get("store")),
        last_run=_count(doc.get("lastRun")),
        versions=tuple(one for one in versions if one["version"] and one["runId"]),
        waiting=_count(doc.get("waiting")),
    )


def _version(found: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"version": _count(found.get("version")), "runId": _count(found.get("runId"))}
    for key, length in (("uri", 1024), ("digest", 100), ("manifestDigest", 100), ("dataFingerprint", 100)):
        kept[key] = _text(found.get(key), length)
    kept["blessing"] = word(found.get("blessing"))
    kept["engines"] = list(_texts(found.get("engines"), 5, 32))
    metrics = ((one.get("name"), one.get("value")) for one in _list(found.get("metrics")) if isinstance(one, dict))
    kept["metrics"] = [{"name": name, "value": value} for name, value in _metrics(metrics)]
    return kept


def _metrics(found: Iterable[tuple[object, object]]) -> tuple[tuple[str, str], ...]:
    """Names are the keys of a list in status, so those that are equal once they are cut count once."""
    named: dict[str, str] = {}
    for name, value in found:
        named.setdefault(_text(name, 40), _text(value, 24))
    return tuple(named.items())[:MAX_METRICS]


def stage_rows(value: object) -> tuple[tuple[str, str, float | None, float | None], ...]:
    """`[[name, state, start, end], ...]`, from a message or from /progress, at most twelve."""
    rows = []
    for row in _list(value)[:12]:
        if isinstance(row, list) and len(row) >= 2:
            start, end = [*row[2:4], None, None][:2]
            rows.append((_text(row[0], 32), _text(row[1], 16), _epoch(start), _epoch(end)))
    return tuple(rows)


def _anomaly(found: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"feature": _text(found.get("feature"), 64), "reason": word(found.get("reason"))}
    if "count" in found:
        kept["count"] = _count(found["count"])
    for key in ("share", "example"):
        if found.get(key) is not None:
            kept[key] = _text(found[key], 64)
    return kept


def _epoch(value: object) -> float | None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 4e9
    return float(value) if ok else None  # type: ignore[arg-type]


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else 0


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object, length: int) -> str:
    return clip(str(value), length) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def _texts(value: object, count: int, length: int) -> tuple[str, ...]:
    return tuple(_text(v, length) for v in _list(value)[:count])
