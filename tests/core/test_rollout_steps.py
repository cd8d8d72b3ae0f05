"""The transition function of every step of a rollout: from what is stored and reported to the next step or a stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ropewalk.core.deployment.gates.loaded import loaded
from ropewalk.core.deployment.observe.pods import Pod
from ropewalk.core.deployment.rollout import machine
from ropewalk.core.deployment.rollout.step import StepInput
from ropewalk.core.deployment.state import Candidate, DeploymentState, Live, Routes, Step
from ropewalk.core.deployment.target import Target
from ropewalk.core.deployment.versions import Version
from ropewalk_contract.documents.status_report import HeldVersion as Held
from ropewalk_contract.documents.status_report import StatusReport as Report

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
BEGAN = NOW - timedelta(seconds=30)
OLD = Version(1, "pvc://models/p/1", "sha256:1", "sha256:1")
NEW = Version(2, "pvc://models/p/2", "sha256:2", "sha256:2")


def held(version: Version, state: str = "Proved", reason: str = "") -> Held:
    """A pod's report on one version."""
    return Held(version.number, str(version.digest), version.path, state, reason, "told so", "LiteRT")


def pod(name: str, *versions: Held, live: int | None = 1, ready: bool = True, claim: str = "models") -> Pod:
    """A running pod that follows the newest routes."""
    return Pod(
        name=name,
        uid=f"uid-{name}",
        ip="10.0.0.9",
        created=BEGAN,
        started=BEGAN,
        running=True,
        ready=ready,
        deleting=False,
        nudge="",
        report=Report(9, live, versions),
        claims=frozenset({claim}),
        image="server:1",
        raw={},
    )


def rolling(step: Step | None, live: int = 1, pilot: str | None = None, *, listed: bool = True) -> DeploymentState:
    """Version 1 answers; version 2 is in that step."""
    versions = (OLD, NEW) if listed else (OLD,)
    return DeploymentState(
        routes=Routes(9, live, pilot, versions, BEGAN),
        live=Live(OLD, "LiteRT", BEGAN),
        candidate=Candidate(NEW, step, BEGAN) if step is not None else None,
    )


def advanced(state: DeploymentState, *pods: Pod, target: Version = NEW) -> tuple[str, DeploymentState]:
    """The step after a look, or the end, and the state."""
    found = machine.advance(state, Target(target), pods, len(pods), NOW)
    assert found.why, "every move and every stay has a reason"
    after = found.state
    if after.candidate is not None:
        return after.candidate.step.value, after
    return ("RolledBack" if after.is_quarantined(target) else "Live"), after


BOTH = (held(OLD), held(NEW))
REFUSED = (held(OLD), held(NEW, "Failed", "TamperedModel"))
MISSING = (held(OLD), held(NEW, "Failed", "ModelNotFound"))
LOADING = (held(OLD), held(NEW, "Loading"))


@pytest.mark.parametrize(
    ("step", "pilot", "pods", "end"),
    [
        pytest.param(Step.PENDING, None, [pod("a", held(OLD), claim="other")], "Pending", id="no pod mounts its claim"),
        pytest.param(Step.PENDING, None, [pod("a", held(OLD))], "Loading", id="a pilot is found"),
        pytest.param(None, None, [pod("a", held(OLD))], "Loading", id="it is new"),
        pytest.param(Step.LOADING, "a", [pod("a", *LOADING), pod("b", held(OLD))], "Loading", id="the pilot loads"),
        pytest.param(Step.LOADING, "a", [pod("b", held(OLD))], "Loading", id="another pilot"),
        pytest.param(Step.LOADING, "a", [pod("b", held(OLD), claim="x")], "Loading", id="no other pilot"),
        pytest.param(Step.LOADING, "a", [pod("a", *BOTH), pod("b", held(OLD))], "Spreading", id="the pilot proves"),
        pytest.param(Step.LOADING, "a", [pod("a", *BOTH)], "Switching", id="the pilot is the only ready pod"),
        pytest.param(Step.LOADING, "a", [pod("a", *REFUSED), pod("b", held(OLD))], "RolledBack", id="the pilot fails"),
        pytest.param(Step.LOADING, "a", [pod("a", *MISSING), pod("b", held(OLD))], "Loading", id="it may pass"),
        pytest.param(Step.SPREADING, None, [pod("a", *BOTH), pod("b", *LOADING)], "Spreading", id="one pod loads"),
        pytest.param(Step.SPREADING, None, [pod("a", *BOTH), pod("b", *BOTH)], "Switching", id="all prove it"),
        pytest.param(Step.SPREADING, None, [pod("a", *BOTH), pod("b", *REFUSED)], "RolledBack", id="one pod refuses"),
        pytest.param(
            Step.SPREADING, None, [pod("a", *BOTH), pod("b", *LOADING, ready=False)], "Switching", id="ready pods count"
        ),
    ],
)
def test_a_step_moves_or_stays(step: Step | None, pilot: str | None, pods: list[Pod], end: str) -> None:
    """Servers are told of each move by a higher revision, and of no stay."""
    state = rolling(step, pilot=pilot, listed=step not in (None, Step.PENDING))
    found, after = advanced(state, *pods)
    assert found == end
    assert after.routes is not None
    moved = found != step or after.routes.pilot != pilot
    told = found != "Pending" and moved
    assert after.routes.revision == (10 if told else 9)
    assert after.live is not None
    assert after.live.version == OLD, "the old version answers until the pods report the new one"


@pytest.mark.parametrize(
    ("pods", "end", "versions"),
    [
        ([pod("a", *BOTH, live=2), pod("b", *BOTH, live=1)], "Switching", (OLD, NEW)),
        ([pod("a", *BOTH, live=2), pod("b", *BOTH, live=2)], "Live", (NEW,)),
        ([pod("a", *REFUSED, live=None, ready=False)], "RolledBack", (OLD, NEW)),
    ],
    ids=["one pod has switched", "all have", "none is ready and one refuses"],
)
def test_switching_ends_live_and_lets_the_old_version_go(pods: list[Pod], end: str, versions: tuple[Version]) -> None:
    """The version that answered before is remembered as retired, since its labels may still come."""
    found, after = advanced(rolling(Step.SWITCHING, live=2), *pods)
    assert found == end
    assert after.routes is not None
    assert after.routes.versions == versions
    assert (after.retired.version if after.retired else None) == (None if end == "RolledBack" else OLD)


def test_the_first_version_is_loaded_by_every_pod() -> None:
    """There is nothing beside which a pilot could try it."""
    found = machine.advance(DeploymentState(), Target(NEW), [], 1, NOW)
    assert found.state.candidate == Candidate(NEW, Step.LOADING, NOW)
    assert found.state.routes == Routes(1, 2, None, (NEW,), NOW)
    end, after = advanced(found.state, replace(pod("a", held(NEW), live=2), report=Report(1, 2, (held(NEW),))))
    assert (end, after.live.version if after.live else None) == ("Live", NEW)


@pytest.mark.parametrize("step", list(Step))
def test_a_stored_step_that_the_routes_contradict_is_entered_anew(step: Step) -> None:
    """A status restored from a backup may say Switching of a version that no server was told of."""
    found, _ = advanced(rolling(step, listed=False), pod("a", held(OLD)))
    assert found == "Loading"


def test_a_step_of_another_version_is_no_step_of_this_one() -> None:
    """The champion changed while version 2 was on its way."""
    third = replace(NEW, number=3, uri="pvc://models/p/3", digest="sha256:3", manifest_digest="sha256:3")
    found, after = advanced(rolling(Step.SPREADING), pod("a", *BOTH), target=third)
    assert found == "Loading"
    assert after.candidate is not None
    assert after.candidate.version == third


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([BOTH, BOTH], ("Passed", 2, 2)),
        ([BOTH, LOADING], ("Inconclusive", 1, 2)),
        ([BOTH, REFUSED], ("Failed", 1, 2)),
        ([], ("Inconclusive", 0, 0)),
    ],
)
def test_the_gate_of_loading_gives_its_numbers(reports: list[Any], expected: tuple[str, int, int]) -> None:
    """How many pods have proved the version, of how many."""
    state = rolling(Step.SPREADING)
    assert state.routes is not None
    pods = [pod(f"pod-{index}", *report) for index, report in enumerate(reports)]
    found = loaded(StepInput(state, state.routes, NEW, pods, NOW))
    assert (found.verdict, found.value, found.samples) == expected
    assert found.needed >= 1
    assert (found.reason, found.pod) == (("TamperedModel", "pod-1") if expected[0] == "Failed" else ("", ""))
