"""The verdict of a gate, and the chain of the gates of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..rollout.step import StepInput


@dataclass(frozen=True, slots=True)
class Verdict:
    """Passed, Failed or Inconclusive with the numbers that it rests on; too few samples are Inconclusive."""

    verdict: Literal["Passed", "Failed", "Inconclusive"]
    message: str
    reason: str = ""
    """Of one that Failed: one CamelCase word, which stands in the quarantine."""
    value: float | None = None
    """The measured number."""
    interval: tuple[float, float] | None = None
    """Its confidence interval, where the number is an estimate."""
    bound: float | None = None
    """The bound that `value` is compared with."""
    samples: int = 0
    needed: int = 0
    pod: str = ""
    """The pod that a failure was found in; empty where it is no single pod's."""


Gate = Callable[[StepInput], Verdict]


def chain(gates: Sequence[Gate], step: StepInput) -> Verdict:
    """The first verdict that Failed, else the first that is Inconclusive, else Passed. `gates` has one at least."""
    found = [gate(step) for gate in gates]
    for word in ("Failed", "Inconclusive"):
        for verdict in found:
            if verdict.verdict == word:
                return verdict
    return found[-1]
