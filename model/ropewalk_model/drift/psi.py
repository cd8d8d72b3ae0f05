"""The population stability index, a distance of two lists of counts."""

from __future__ import annotations

import math
from collections.abc import Sequence


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
