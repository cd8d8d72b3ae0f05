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

from .. import spec as specs
from ..children.workload import HTTP_PORT, server_name
from ..image import moving
from ..state import routes_document
from . import summary
from .inputs import StatusInputs


def document(owner: Json, inputs: StatusInputs, now: datetime) -> dict[str, Any]:
    """The whole status."""
    resource, state = inputs.resource, inputs.state
    before = (owner.get("status") or {}).get("conditions") or ()
    found = _conditions(inputs, before)
    ready = sum(pod.ready for pod in inputs.pods)
    status: dict[str, Any] = {
        "observedGeneration": resource.metadata.generation,
        "conditions": set_conditions(before, found, generation=resource.metadata.generation, now=now),
        "summary": summary.of(inputs, found),
        "replicas": sum(not pod.deleting for pod in inputs.pods),
        "readyReplicas": ready,
        "selector": f"{MODEL_DEPLOYMENT_LABEL}={label_value(resource.metadata.name)}",
        "url": f"{'https' if specs.tls_secret(resource.spec.serving) else 'http'}://{resource.metadata.name}.{resource.metadata.namespace}.svc:{HTTP_PORT}/v1/models/{resource.metadata.name}",
        "serverImage": inputs.image.image,
        "routes": routes_document(state.routes) if state.routes else None,
        "quarantined": list(state.quarantined),
        "history": list(state.history),
        "traffic": state.traffic,
        "drift": state.drift,
        "performance": state.performance,
        "lastFailure": _failure(inputs, now),
        "imported": inputs.imported.document() if inputs.imported else None,
    }
    if state.live is not None:
        live = state.live
        status["live"] = {
            **live.version.document(),
            "engine": live.engine,
            "since": timestamp(live.since),
            "weight": 100,
        }
    if state.candidate is not None:
        candidate = state.candidate
        body = {**candidate.version.document(), "step": candidate.step.value, "since": timestamp(candidate.since)}
        quality = {"performance": candidate.performance} if candidate.performance else {}
        status["candidate"] = body | quality | ({"message": inputs.waits_for} if inputs.waits_for else {})
    if state.retired is not None:
        retired = state.retired
        times = {"since": timestamp(retired.since), "until": timestamp(retired.until)}
        quality = {"performance": retired.performance} if retired.performance else {}
        status["retired"] = {**retired.version.document(), **times, **quality}
    return {k: v for k, v in status.items() if v not in (None, [], "")}


def _failure(inputs: StatusInputs, now: datetime) -> Json | None:
    if inputs.imported is not None and inputs.imported.state == FAILED:
        found = inputs.imported
        at = timestamp(found.finished_at or now)
        return {"location": "Import", "reason": found.reason, "message": found.message, "at": at}
    if inputs.problem is None:
        return inputs.state.last_failure
    return inputs.problem.document(timestamp(now), inputs.state.last_failure)


def _conditions(inputs: StatusInputs, before: Sequence[Json]) -> list[Condition]:
    found = [
        _ready(inputs),
        _available(inputs),
        _reconciling(inputs),
        _observed(inputs, before),
        _data_drift(inputs, before),
    ]
    if inputs.target.final:
        found.append(Condition(api.STALLED, "True", inputs.target.reason, inputs.target.message))
    quarantined = inputs.state.is_quarantined(inputs.target.version)
    if quarantined is not None:
        text = f"version {quarantined.get('version')} is not served: {quarantined.get('message', '')}"
        found.append(Condition(api.ROLLED_BACK, "True", str(quarantined.get("reason") or api.QUARANTINED), text))
    return found


def _ready(inputs: StatusInputs) -> Condition:
    """True only while predictions are answered; else the most telling of all reasons why not."""
    ready = sum(pod.ready for pod in inputs.pods)
    answering = _answering(inputs)
    if ready and not answering:
        text = f"{ready} of {inputs.replicas} pods are ready by kubelet's word and do not answer the operator"
        return Condition(api.READY, "Unknown", api.UNREACHABLE, text)
    if ready:
        where = "; all pods on one node: the claim is ReadWriteOnce" if inputs.one_node and inputs.replicas > 1 else ""
        return Condition(
            api.READY, "True", api.SERVING, f"version {answering} answers in {_share(ready, inputs.replicas)}{where}"
        )
    for reason, message in _reasons(inputs):
        if reason:
            return Condition(api.READY, "False", reason, message)
    return Condition(api.READY, "False", api.LOADING, "pods are starting")


def _answering(inputs: StatusInputs) -> str:
    """The version that answers, by the pods' reports; empty where no pod has reported one yet."""
    live = inputs.state.live
    if live is not None:
        other = live.version.served_as
        return f"{live.version.number}" + (f" (under the number {other})" if other is not None else "")
    said = (pod.report.live for pod in inputs.pods if pod.ready and pod.report is not None)
    return next((str(number) for number in said if number is not None), "")


def _available(inputs: StatusInputs) -> Condition:
    """True with all the capacity that was asked for; else the message names what is waited for."""
    ready = sum(pod.ready for pod in inputs.pods)
    if inputs.replicas == 0:
        return Condition(api.AVAILABLE, "False", api.SCALED_TO_ZERO, _at_zero(inputs))
    if ready >= inputs.replicas:
        return Condition(api.AVAILABLE, "True", api.ALL_READY, inputs.scaling)
    text = (
        f"{ready} of {inputs.replicas} pods answer" if inputs.pods else f"no pod exists, of {inputs.replicas} asked for"
    )
    why = next((message for _, message in _reasons(inputs) if message), "") if not ready else ""
    text += f": {why}" if why else ""
    text += f"; {inputs.scaling}" if inputs.scaling else ""
    return Condition(api.AVAILABLE, "False", api.PODS_MISSING, text)


def _share(ready: int, asked: int) -> str:
    """Where pods are exchanged or taken away, more than were asked for are there for a while."""
    if ready <= asked:
        return f"{ready} of {asked} pods"
    return f"{ready} {'pod' if ready == 1 else 'pods'}, {asked} asked for"


def _at_zero(inputs: StatusInputs) -> str:
    if inputs.resource.spec.autoscaling is None:
        return "spec.replicas is 0"
    return f"Deployment {server_name(inputs.resource)} is scaled to 0, where its autoscaler leaves it: scale it up once"


def _reasons(inputs: StatusInputs) -> list[tuple[str, str]]:
    quarantined = inputs.state.is_quarantined(inputs.target.version)
    found = []
    if inputs.replicas == 0:
        found.append((api.SCALED_TO_ZERO, _at_zero(inputs)))
    if inputs.state.routes is None:
        found.append((inputs.target.reason, inputs.target.message))
    elif inputs.importing is not None:
        found.append(inputs.importing)
    if inputs.blocked is not None:
        found.append(inputs.blocked)
    if inputs.problem is not None:
        found.append((inputs.problem.reason, inputs.problem.words))
    if quarantined is not None:
        text = f"version {quarantined.get('version')}: {quarantined.get('message', '')}"
        found.append((str(quarantined.get("reason") or api.QUARANTINED), text))
    return found


def _reconciling(inputs: StatusInputs) -> Condition:
    candidate = inputs.state.candidate
    if inputs.importing is not None:
        trying = not inputs.target.final
        return Condition(api.RECONCILING, "True" if trying else "False", *inputs.importing)
    if candidate is not None and (inputs.replicas or inputs.pods):  # Else it waits for a person to ask for pods.
        text = f"version {candidate.version.number}: {candidate.step}"
        text += f": {inputs.waits_for}" if inputs.waits_for else ""
        return Condition(api.RECONCILING, "True", api.PROGRESSING, text)
    if moving(inputs.pods, inputs.image.image):
        return Condition(api.RECONCILING, "True", api.UPGRADING, f"pods move to the image {inputs.image.image}")
    if inputs.image.waiting:
        return Condition(api.RECONCILING, "True", api.UPGRADE_PENDING, inputs.image.waiting)
    if inputs.state.routes is None and inputs.target.reason:
        return Condition(api.RECONCILING, "True", inputs.target.reason, inputs.target.message)
    return Condition(api.RECONCILING, "False", api.RECONCILED, "")


def _observed(inputs: StatusInputs, before: Sequence[Json]) -> Condition:
    answers = inputs.answers
    unreachable = sorted({*inputs.silent, *answers.unreachable})
    if unreachable:
        said = answers.why or next((pod.refused for pod in inputs.pods if pod.refused), "")
        why = f" ({said})" if said else ""
        text = f"no answer from {', '.join(unreachable[:5])}{why}: numbers stand as they were"
        return Condition(api.OBSERVED, "False", api.UNREACHABLE, text)
    if answers.complete:
        return Condition(api.OBSERVED, "True", api.WINDOW_CLOSED, _left_out(inputs))
    known = find(before, api.OBSERVED)
    if known is not None:
        return Condition(api.OBSERVED, known["status"], str(known["reason"]), str(known.get("message") or ""))
    return Condition(api.OBSERVED, "Unknown", api.PENDING, "no pod has been asked yet")


def _left_out(inputs: StatusInputs) -> str:
    """The counts that the numbers do not rest on, in words."""
    seen = inputs.seen
    if seen is not None and seen.lost:
        return f"{', '.join(seen.lost[:5])} had no room for all counts until they were read: the oldest are lost"
    if inputs.histograms_left_out:
        return (
            "the histograms of a window are more than a ConfigMap holds: drift is judged on the last minutes of a "
            "window; name fewer features in spec.monitor.drift.features"
        )
    return ""


def _data_drift(inputs: StatusInputs, before: Sequence[Json]) -> Condition:
    found, needed = inputs.state.drift, inputs.resource.spec.monitor.drift.consecutive_windows
    unknown = inputs.unknown_features
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
    gates = inputs.resource.spec.monitor
    text = (
        f"{found.get('samples')} rows in the last window of {found.get('window')}; spec.monitor asks for minSamples "
        f"{gates.min_samples} in minRequests {gates.min_requests}: it takes more traffic, smaller numbers or a longer "
        "window"
    )
    return Condition(api.DATA_DRIFT, "Unknown", api.INCONCLUSIVE, text)
