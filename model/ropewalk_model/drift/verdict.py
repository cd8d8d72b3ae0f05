"""The verdict of a closed window: its distance from the baseline, feature by feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ropewalk_model.baseline import Baseline
from ropewalk_model.windows import Bucket

from .psi import psi
from .significance import SIGNIFICANCE, chi2_pvalue

State = Literal["Drifted", "Stable", "Inconclusive"]


@dataclass(frozen=True)
class FeatureDrift:
    """One feature's distance from the baseline."""

    name: str
    score: float
    p_value: float
    drifted: bool


@dataclass(frozen=True)
class DriftVerdict:
    """The verdict of a closed window. `features` has the worst first; too little traffic is Inconclusive."""

    state: State
    worst: str | None
    score: float
    threshold: float
    rows: int
    features: tuple[FeatureDrift, ...]
    reason: str = ""


def verdict(
    window: Bucket,
    baseline: Baseline,
    threshold: float,
    min_rows: int,
    min_requests: int,
    features: Sequence[str] = (),
) -> DriftVerdict:
    """Compare a window with the baseline of the version that answered; `features` empty means all."""
    names = [name for name in baseline.bins if not features or name in features]
    compared = []
    for name in names:
        before, after = baseline.counts[name], window.features.get(name, ())
        if len(before) != len(after):
            continue
        score, p_value = psi(before, after), chi2_pvalue(before, after)
        drifted = score >= threshold and p_value < SIGNIFICANCE / max(1, len(names))
        compared.append(FeatureDrift(name, score, p_value, drifted))
    compared.sort(key=lambda one: (not one.drifted, -one.score, one.name))
    worst = compared[0] if compared else None
    state: State = "Drifted" if worst and worst.drifted else "Stable"
    reason = ""
    if window.rows < min_rows:
        state, reason = "Inconclusive", f"{window.rows} rows, {min_rows} are needed"
    elif window.requests < min_requests:
        state, reason = "Inconclusive", f"{window.requests} requests, {min_requests} are needed"
    elif worst is None:
        state, reason = "Inconclusive", "no feature could be compared"
    return DriftVerdict(
        state=state,
        worst=worst.name if worst else None,
        score=worst.score if worst else 0.0,
        threshold=threshold,
        rows=window.rows,
        features=tuple(compared),
        reason=reason,
    )
