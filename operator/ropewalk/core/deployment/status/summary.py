"""The columns of `kubectl get modeldeployments`: a word each, and one sentence on the worst problem."""

from __future__ import annotations

from collections.abc import Sequence

from ropewalk.core.conditions import Condition, clip
from ropewalk.core.plan import Json
from ropewalk_contract.api import conditions as api

from .inputs import StatusInputs


def of(inputs: StatusInputs, found: Sequence[Condition]) -> dict[str, str]:
    """Its columns, `found` being the conditions now; those that have nothing to say are left out."""
    state = inputs.state
    traffic, drift, performance = state.traffic or {}, state.drift or {}, state.performance or {}
    metrics = {m.get("name"): m.get("value") for m in performance.get("metrics") or ()}
    accuracy = metrics.get("accuracy")
    candidate = state.candidate
    summary = {
        "ready": f"{sum(pod.ready for pod in inputs.pods)}/{inputs.replicas}",
        "live": str(state.live.version.number) if state.live else "",
        "candidate": f"{candidate.version.number} {candidate.step}" if candidate else "",
        "traffic": "100%" if state.live else "",
        "rps": str(traffic.get("requestsPerSecond", "")),
        "p95": str(traffic.get("latencyP95", "")),
        "errors": str(traffic.get("errorRate", "")),
        "drift": _drift_words(drift, _find(found, api.DATA_DRIFT)),
        "accuracy": f"{float(accuracy):.3f} ({performance.get('labels')})" if accuracy else "",
        "message": clip(_message(inputs, found), 512),
    }
    return {k: v for k, v in summary.items() if v}


def _drift_words(drift: Json, condition: Condition | None) -> str:
    if condition is None or condition.status == "Unknown" or not drift:
        return ""
    return clip(
        f"{drift.get('worstFeature', '?')} {drift.get('score')}" + (" !" if condition.status == "True" else ""), 64
    )


def _find(found: Sequence[Condition], kind: str) -> Condition | None:
    return next((one for one in found if one.type == kind), None)


def _message(inputs: StatusInputs, found: Sequence[Condition]) -> str:
    """The worst problem now; empty where all is well."""
    ready = _find(found, api.READY)
    if ready is not None and ready.status != "True":
        return f"{ready.reason}: {ready.message}"
    for kind in (api.STALLED, api.ROLLED_BACK):
        condition = _find(found, kind)
        if condition is not None and condition.status == "True":
            return f"{condition.reason}: {condition.message}"
    if inputs.target.version is None and inputs.target.reason:
        return f"{inputs.target.reason}: {inputs.target.message}"
    if inputs.problem is not None:
        return f"{inputs.problem.reason}: {inputs.problem.words}"
    if inputs.blocked is not None:
        return f"{inputs.blocked[0]}: {inputs.blocked[1]}"
    candidate, observed = inputs.state.candidate, _find(found, api.OBSERVED)
    if candidate is not None and inputs.waits_for:
        return f"version {candidate.version.number} waits: {inputs.waits_for}"
    if observed is not None and observed.status == "False":
        return f"{observed.reason}: {observed.message}"
    if inputs.scaling:
        return f"{api.NOT_SCALING}: {inputs.scaling}"
    drift = _find(found, api.DATA_DRIFT)
    if drift is not None and drift.status == "True":
        return f"Drifted: {drift.message}"
    observed = _find(found, api.OBSERVED)
    if observed is not None and observed.message and observed.status != "Unknown":
        return f"{observed.reason}: {observed.message}"
    unknown = inputs.unknown_features
    return f"{api.UNKNOWN_FEATURE}: {unknown}" if unknown else ""
