"""Loading: one pilot pod loads the version beside the live one. The first version of all is loaded by every pod."""

from __future__ import annotations

from ...gates.loaded import loaded
from ...gates.verdict import chain
from ...state import Step
from ..changes import quarantined, switched, told
from ..step import StepInput, Transition
from .pending import pending
from .switching import switching

GATES = (loaded,)


def loading(step: StepInput) -> Transition:
    """To Spreading once the pilot has proved it; to Switching where no other pod is ready; else to RolledBack."""
    routes, version = step.routes, step.version
    listed = routes.listed(version)
    if listed is not None and listed is routes.version(routes.live):
        return switching(step)
    if not step.asked:
        return pending(step)  # the pilot is gone
    verdict = chain(GATES, step)
    if verdict.verdict == "Failed":
        return quarantined(step, verdict)
    if verdict.verdict != "Passed":
        return Transition(step.state, verdict.message)
    if all(pod.name == routes.pilot for pod in step.pods if pod.ready):
        return Transition(switched(step), "the pilot has proved it, and no other pod is ready")
    candidate = version, Step.SPREADING
    state = told(step.state, step.now, live=routes.live, versions=routes.versions, candidate=candidate)
    return Transition(state, "the pilot has proved it")
