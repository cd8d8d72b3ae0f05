"""A run in one process: its stages in order, the record in the store, the last word for the operator."""

from __future__ import annotations

import logging
from typing import Any

from ropewalk_contract import reasons, wire
from ropewalk_contract.documents import termination_message
from ropewalk_contract.documents.publish import Candidate, PublishTask
from ropewalk_contract.documents.results import FAILED, SUCCEEDED, TrainResult
from ropewalk_model import digests, store
from ropewalk_trainer.context import Context
from ropewalk_trainer.errors import Anomaly, RunFailure
from ropewalk_trainer.stages import STAGES
from ropewalk_trainer.stages.evaluate import BASELINE_UNUSABLE
from ropewalk_trainer.store import layout

log = logging.getLogger(__name__)


def run(context: Context) -> RunFailure | None:
    """Run all stages; the failure that ended them, or None. The record is written either way."""
    failure: RunFailure | None = None
    for name, stage in STAGES.items():
        context.progress.begin(name)
        try:
            state = stage(context)
        except RunFailure as error:
            failure = error
        except MemoryError:
            failure = RunFailure(reasons.MEMORY_EXCEEDED, "memory ran out; raise spec.train.resources.limits.memory")
        except OSError as error:
            failure = _of_store(error)
        if failure is not None:
            context.progress.end(name, "Failed")
            log.error("%s failed: %s: %s", name, failure.reason, failure.message)
            break
        context.progress.end(name, state)
        log.info("%s: %s", name, state)
        if context.skip is not None:
            break
    if failure is None:
        _hand_over(context)
    return failure


def _of_store(error: OSError) -> RunFailure:
    """A disk that is full or a file that cannot be read, in words."""
    from ropewalk_trainer.errors import TryAgain

    place = error.filename or "the store"
    if error.errno == 28:
        return RunFailure(reasons.STORE_FULL, f"{place}: no space left; enlarge the claim or delete old runs")
    return TryAgain(reasons.STORE_UNAVAILABLE, f"{place}: {error.strerror or error}")


def _hand_over(context: Context) -> None:
    """Tell the smoke test where the candidate lies, or that there is none and why."""
    if context.candidate is None:
        reason, text = context.skip or (reasons.NOT_BLESSED, "; ".join(context.reasons))
        task = PublishTask(skip=reason, message=text)
    else:
        limit = (context.run.raw["spec"].get("smokeTest") or {}).get("maxLatencyP95")
        models = context.store.models
        task = PublishTask(Candidate(str(context.candidate), str(models), f"{context.store.uri}/models", limit or ""))
    layout.write_json(context.work / wire.PUBLISH_FILE, task.document())


def message(context: Context, failure: RunFailure | None, lines: list[str]) -> dict[str, Any]:
    """The termination message, shortened until it fits into 2,048 bytes."""
    path = context.path("record.json")
    recorded = store.exists(context.files, path)
    stage = reason = text = ""
    if failure is not None:
        stage = next((row[0] for row in context.progress.stages if row[1] == FAILED), "")
        reason, text = failure.reason, failure.message[:600]
    elif context.skip is not None:
        reason, text = context.skip
    elif context.blessing == reasons.NOT_BLESSED:
        results = [check["result"] for check in context.evaluation["checks"]]
        reason = BASELINE_UNUSABLE if BASELINE_UNUSABLE in results else reasons.NOT_BLESSED
        text = "; ".join(context.reasons)[:600]
    result = TrainResult(
        outcome=SUCCEEDED if failure is None else FAILED,
        stage=stage,
        reason=reason,
        message=text,
        stages=tuple((name, state, start, end) for name, state, start, end in context.progress.stages),
        metrics=tuple((name, f"{value:.4f}") for name, value in context.metrics.items()),
        blessing=context.blessing,
        reasons=tuple(context.reasons[:4]),
        data_fingerprint=context.fingerprint,
        rows=tuple((name, len(rows)) for name, rows in context.splits.items()),
        anomalies=tuple(_short(one) for one in context.anomalies[:5]),
        record=(
            f"{context.store.uri}/{path}" if recorded else "",
            digests.of_bytes(store.read(context.files, path)) if recorded else "",
        ),
        log=tuple(lines[-5:]) if failure is not None else (),
    )
    return fitted(result.document())


def fitted(document: dict[str, Any]) -> dict[str, Any]:
    """The document within the limit: the log goes first, then examples, stages' times, long words."""
    return termination_message.fitted(document, (termination_message.no_log, _fewer_anomalies, _no_times, _short_words))


def _fewer_anomalies(document: dict[str, Any]) -> dict[str, Any]:
    kept = [{k: v for k, v in one.items() if k != "example"} for one in document["anomalies"][:3]]
    return {**document, "anomalies": kept, "log": []}


def _no_times(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "stages": [row[:2] for row in document["stages"]]}


def _short_words(document: dict[str, Any]) -> dict[str, Any]:
    short = {**document, "anomalies": [], "reasons": [text[:160] for text in document["reasons"][:2]]}
    return {**short, "message": document.get("message", "")[:300]}


def _short(anomaly: Anomaly) -> dict[str, Any]:
    return {k: v for k, v in anomaly.document().items() if v is not None}


def record(context: Context, failure: RunFailure | None) -> None:
    """`runs/<id>/record.json`: everything that is known of the run, for people and for later runs."""
    document = {
        "formatVersion": 1,
        "run": dict(context.run.raw),
        "attempt": context.attempt,
        "outcome": "Succeeded" if failure is None else "Failed",
        "reason": failure.reason if failure else "",
        "message": failure.message if failure else "",
        "stages": context.progress.stages,
        "dataFingerprint": context.fingerprint,
        "rows": {name: len(rows) for name, rows in context.splits.items()},
        "anomalies": [one.document() for one in context.anomalies],
        "training": context.training,
        "evaluation": context.evaluation,
        "candidate": context.candidate.name if context.candidate else None,
    }
    context.store.write_json(context.path("record.json"), document)
