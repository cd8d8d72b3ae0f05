"""Significance of a difference: Pearson's chi-squared test, the guard of a verdict against chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

SIGNIFICANCE = 0.01
"""A feature counts as drifted only if chance explains its difference with less than this (Bonferroni-corrected)."""


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
