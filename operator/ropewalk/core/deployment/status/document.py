"""The status of a ModelDeployment: what is remembered, and the conditions that follow from what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ropewalk.core.conditions import Condition, Status, find, set_conditions, timestamp
from ropewalk.core.jobs.helper_job import FAILED
from ropewalk.core.names import MODEL_DEPLOYMENT_LABEL, label_value
from ropewalk.core.plan import Json
from ropewalk_contract.api import conditions as api

from ..children.workload import HTTP_PORT, server_name
from ..image import moving
from ..state import routes_document
from . import summary
from .inputs import View


def document(owner: Json, view: View, now: datetime) -> dict[str, Any]:
    """The whole status."""
    wishes, memory = view.wishes, view.memory
    before = (owner.get("status") or {}).get("conditions") or ()
    found = _conditions(view, before)
    ready = sum(pod.ready for pod in view.pods)
    status: dict[str, Any] = {
        "observedGeneration": wishes.generation,
        "conditions": set_conditions(before, found, generation=wishes.generation, now=now),
        "summary": summary.of(view, found),
        "replicas": sum(not pod.deleting for pod in view.pods),
        "readyReplicas": ready,
        "selector": f"{MODEL_DEPLOYMENT_LABEL}={label_value(wishes.name)}",
        "url": f"{'https' if wishes.tls_secret else 'http'}://{wishes.name}.{wishes.namespace}.svc:{HTTP_PORT}/v1/models/{wishes.name}",
        "serverImage": view.image.image,
        "routes": routes_document(memory.routes) if memory.routes else None,
        "quarantined": list(memory.quarantined),
        "history": list(memory.history),
        "traffic": memory.traffic,
        "drift": memory.drift,
        "performance": memory.performance,
        "lastFailure": _failure(view, now),
        "imported": view.imported.document() if view.imported else None,
    }
    if memory.live is not None:
        live = memory.live
        status["live"] = {
            **live.version.document(),
            "engine": live.engine,
            "since": timestamp(live.since),
            "weight": 100,
        }
    if memory.candidate is not None:
        candidate = memory.candidate
        body = {**candidate.version.document(), "step": candidate.step, "since": timestamp(candidate.since)}
        status["candidate"] = body | ({"message": view.waits_for} if view.waits_for else {})
    return {k: v for k, v in status.items() if v not in (None, [], "")}


def _failure(view: View, now: datetime) -> Json | None:
    if view.imported is not None and view.imported.state == FAILED:
        found = view.imported
        at = timestamp(found.finished_at or now)
        return {"location": "Import", "reason": found.reason, "message": found.message, "at": at}
    if view.problem is None:
        return view.memory.last_failure
    return view.problem.document(timestamp(now), view.memory.last_failure)


def _conditions(view: View, before: Sequence[Json]) -> list[Condition]:
    found = [_ready(view), _available(view), _reconciling(view), _observed(view, before), _data_drift(view, before)]
    if view.target.final:
        found.append(Condition(api.STALLED, "True", view.target.reason, view.target.message))
    quarantined = view.memory.is_quarantined(view.target.version)
    if quarantined is not None:
        text = f"version {quarantined.get('version')} is not served: {quarantined.get('message', '')}"
        found.append(Condition(api.ROLLED_BACK, "True", str(quarantined.get("reason") or api.QUARANTINED), text))
    return found


def _ready(view: View) -> Condition:
    """True only while predictions are answered; else the most telling of all reasons why not."""
    ready = sum(pod.ready for pod in view.pods)
    answering = _answering(view)
    if ready and not answering:
        text = f"{ready} of {view.replicas} pods are ready by kubelet's word and do not answer the operator"
        return Condition(api.READY, "Unknown", api.UNREACHABLE, text)
    if ready:
        where = "; all pods on one node: the claim is ReadWriteOnce" if view.one_node and view.replicas > 1 else ""
        return Condition(
            api.READY, "True", api.SERVING, f"version {answering} answers in {_share(ready, view.replicas)}{where}"
        )
    for reason, message in _reasons(view):
        if reason:
            return Condition(api.READY, "False", reason, message)
    return Condition(api.READY, "False", api.LOADING, "pods are starting")


def _answering(view: View) -> str:
    """The version that answers, by the pods' word; empty where no pod has said so yet."""
    live = view.memory.live
    if live is not None:
        other = live.version.served_as
        return f"{live.version.number}" + (f" (under the number {other})" if other is not None else "")
    said = (pod.report.live for pod in view.pods if pod.ready and pod.report is not None)
    return next((str(number) for number in said if number is not None), "")


def _available(view: View) -> Condition:
    """Whether there is all the capacity that was asked for, and what it waits for where there is none."""
    ready = sum(pod.ready for pod in view.pods)
    if view.replicas == 0:
        return Condition(api.AVAILABLE, "False", api.SCALED_TO_ZERO, _at_zero(view))
    if ready >= view.replicas:
        return Condition(api.AVAILABLE, "True", api.ALL_READY, view.scaling)
    text = f"{ready} of {view.replicas} pods answer" if view.pods else f"no pod exists, of {view.replicas} asked for"
    why = next((message for _, message in _reasons(view) if message), "") if not ready else ""
    text += f": {why}" if why else ""
    text += f"; {view.scaling}" if view.scaling else ""
    return Condition(api.AVAILABLE, "False", api.PODS_MISSING, text)


def _share(ready: int, asked: int) -> str:
    """Where pods are exchanged or taken away, more than were asked for are there for a while."""
    if ready <= asked:
        return f"{ready} of {asked} pods"
    return f"{ready} {'pod' if ready == 1 else 'pods'}, {asked} asked for"


def _at_zero(view: View) -> str:
    if view.wishes.autoscaling is None:
        return "spec.replicas is 0"
    return f"Deployment {server_name(view.wishes)} is scaled to 0, where its autoscaler leaves it: scale it up once"


def _reasons(view: View) -> list[tuple[str, str]]:
    quarantined = view.memory.is_quarantined(view.target.version)
    found = []
    if view.replicas == 0:
        found.append((api.SCALED_TO_ZERO, _at_zero(view)))
    if view.memory.routes is None:
        found.append((view.target.reason, view.target.message))
    elif view.importing is not None:
        found.append(view.importing)
    if view.blocked is not None:
        found.append(view.blocked)
    if view.problem is not None:
        found.append((view.problem.reason, view.problem.words))
    if quarantined is not None:
        text = f"version {quarantined.get('version')}: {quarantined.get('message', '')}"
        found.append((str(quarantined.get("reason") or api.QUARANTINED), text))
    return found


def _reconciling(view: View) -> Condition:
    candidate = view.memory.candidate
    if view.importing is not None:
        trying = not view.target.final
        return Condition(api.RECONCILING, "True" if trying else "False", *view.importing)
    if candidate is not None and (view.replicas or view.pods):  # Else it waits for a person to ask for pods.
        text = f"version {candidate.version.number}: {candidate.step}"
        text += f": {view.waits_for}" if view.waits_for else ""
        return Condition(api.RECONCILING, "True", api.PROGRESSING, text)
    if moving(view.pods, view.image.image):
        return Condition(api.RECONCILING, "True", api.UPGRADING, f"pods move to the image {view.image.image}")
    if view.image.waiting:
        return Condition(api.RECONCILING, "True", api.UPGRADE_PENDING, view.image.waiting)
    if view.memory.routes is None and view.target.reason:
        return Condition(api.RECONCILING, "True", view.target.reason, view.target.message)
    return Condition(api.RECONCILING, "False", api.RECONCILED, "")


def _observed(view: View, before: Sequence[Json]) -> Condition:
    seen = view.seen
    unreachable = sorted({*view.silent, *seen.unreachable})
    if unreachable:
        why = f" ({seen.why})" if seen.why else ""
        text = f"no answer from {', '.join(unreachable[:5])}{why}: numbers stand as they were"
        return Condition(api.OBSERVED, "False", api.UNREACHABLE, text)
    if seen.complete:
        return Condition(api.OBSERVED, "True", api.WINDOW_CLOSED, _left_out(view))
    known = find(before, api.OBSERVED)
    if known is not None:
        return Condition(api.OBSERVED, known["status"], str(known["reason"]), str(known.get("message") or ""))
    return Condition(api.OBSERVED, "Unknown", api.PENDING, "no pod has been asked yet")


def _left_out(view: View) -> str:
    """What numbers do not rest on although it was counted."""
    seen = view.seen
    if seen.lost:
        return f"{', '.join(seen.lost[:5])} had no room for all counts until they were read: the oldest are lost"
    if seen.ledger is not None and seen.ledger.too_large:
        return (
            "the histograms of a window are more than a ConfigMap holds: drift is judged on the last minutes of a "
            "window; name fewer features in spec.monitor.drift.features"
        )
    return ""


def _data_drift(view: View, before: Sequence[Json]) -> Condition:
    found, needed = view.memory.drift, view.wishes.monitoring.consecutive_windows
    unknown = view.unknown_features
    if unknown and (found is None or found.get("state") == "Inconclusive"):
        return Condition(api.DATA_DRIFT, "Unknown", api.UNKNOWN_FEATURE, unknown)
    if found is None:
        return Condition(api.DATA_DRIFT, "Unknown", api.INCONCLUSIVE, "no window of traffic has closed yet")
    where = f"{found.get('worstFeature', '?')}: PSI {found.get('score')} of {found.get('threshold')}"
    text = f"{where} on {found.get('samples')} rows in a window of {found.get('window')}"
    if unknown:
        text += f"; {unknown}"
    if found.get("state") == "Drifted":
        run = int(found.get("consecutiveWindows") or 0)
        if run >= needed:
            return Condition(api.DATA_DRIFT, "True", api.DRIFTED, text)
        known = find(before, api.DATA_DRIFT)
        status: Status = known["status"] if known is not None else "Unknown"
        return Condition(api.DATA_DRIFT, status, api.DRIFTED, f"{text}; {run} of {needed} windows in a row")
    if found.get("state") == "Stable":
        return Condition(api.DATA_DRIFT, "False", api.STABLE, text)
    gates = view.wishes.monitoring
    text = (
        f"{found.get('samples')} rows in the last window of {found.get('window')}; spec.monitor asks for minSamples "
        f"{gates.min_samples} in minRequests {gates.min_requests}: it takes more traffic, smaller numbers or a longer "
        "window"
    )
    return Condition(api.DATA_DRIFT, "Unknown", api.INCONCLUSIVE, text)
