"""Comparison of live traffic with the baseline: distance, significance and verdict, as pure functions of counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ropewalk_model.baseline import Baseline
from ropewalk_model.windows import Bucket

State = Literal["Drifted", "Stable", "Inconclusive"]
SIGNIFICANCE = 0.01
"""A feature counts as drifted only if chance explains its difference with less than this (Bonferroni-corrected)."""


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


def psi(p_counts: Sequence[int], q_counts: Sequence[int]) -> float:
    """Population stability index, sum of (p - q) ln(p / q), with Jeffreys' +0.5 a bin; 0 for no rows at all.

    Bins that are empty on both sides are left out. Source: Siddiqi, Credit Risk Scorecards (2006).
    """
    pairs = [(p, q) for p, q in zip(p_counts, q_counts, strict=True) if p or q]
    if not sum(p for p, _ in pairs) or not sum(q for _, q in pairs):
        return 0.0
    p_total = sum(p + 0.5 for p, _ in pairs)
    q_total = sum(q + 0.5 for _, q in pairs)
    score = 0.0
    for p, q in pairs:
        a, b = (p + 0.5) / p_total, (q + 0.5) / q_total
        score += (a - b) * math.log(a / b)
    return score


def chi2_pvalue(p_counts: Sequence[int], q_counts: Sequence[int]) -> float:
    """Probability of counts at least this different if both came from one distribution (Pearson's chi-squared)."""
    pairs = [(p, q) for p, q in zip(p_counts, q_counts, strict=True) if p or q]
    p_total, q_total = sum(p for p, _ in pairs), sum(q for _, q in pairs)
    if len(pairs) < 2 or not p_total or not q_total:
        return 1.0
    statistic = 0.0
    for p, q in pairs:
        share = (p + q) / (p_total + q_total)
        expected_p, expected_q = share * p_total, share * q_total
        statistic += (p - expected_p) ** 2 / expected_p + (q - expected_q) ** 2 / expected_q
    return _upper_gamma((len(pairs) - 1) / 2, statistic / 2)


def _upper_gamma(a: float, x: float) -> float:
    """Regularised upper incomplete gamma Q(a, x). Numerical Recipes, section 6.2 (series, continued fraction)."""
    if x <= 0:
        return 1.0
    front = math.exp(min(0.0, -x + a * math.log(x) - math.lgamma(a)))
    if x < a + 1:
        term = total = 1.0 / a
        n = a
        while abs(term) > abs(total) * 1e-15:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1.0 - total * front)
    b = x + 1 - a
    c = 1e300
    d = 1 / b
    h = d
    for i in range(1, 10_000):
        an = -i * (i - a)
        b += 2
        d = 1 / _nonzero(an * d + b)
        c = _nonzero(b + an / c)
        delta = d * c
        h *= delta
        if abs(delta - 1) < 1e-15:
            break
    return min(1.0, front * h)


def _nonzero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300


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
