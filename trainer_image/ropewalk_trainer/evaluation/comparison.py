"""Two models on the same rows: how much better the new one is, with an interval that says what the rows can tell.

The bootstrap resamples rows, the same for both (paired), so what makes a row hard for both does not count.
Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 (percentile intervals).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEAST_RESAMPLES = 200
ROWS_IN_ALL = 10_000_000
"""Large test splits are resampled less often: their interval is narrow anyway."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """New minus champion in the direction that is better; `low` and `high` bound it with 95% confidence."""

    estimate: float
    low: float
    high: float


def paired(score: Callable[[NDArray[np.int64]], tuple[float, float]], rows: int, seed: int, sign: float) -> Difference:
    """`score(rows)` gives the metric of the new model and of the champion on those rows; `sign` -1 for a loss."""
    random = np.random.default_rng(seed)
    new, old = score(np.arange(rows))
    times = min(RESAMPLES, max(LEAST_RESAMPLES, ROWS_IN_ALL // rows))
    differences = np.empty(times)
    for index in range(times):
        a, b = score(random.integers(0, rows, rows))
        differences[index] = sign * (a - b)
    low, high = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Difference(sign * (new - old), float(low), float(high))


def verdict(difference: Difference, max_regression: float | None, min_improvement: float | None) -> str:
    """Pass, Fail or Inconclusive.

    Not worse by more than `max_regression`: Pass where the whole interval is above it, Fail where all of it is below.
    Better by at least `min_improvement`: likewise. Otherwise the rows are too few to tell.
    """
    bounds = [-max_regression] if max_regression is not None else []
    bounds += [min_improvement] if min_improvement is not None else []
    if all(difference.low >= bound for bound in bounds):
        return "Pass"
    if any(difference.high < bound for bound in bounds):
        return "Fail"
    return "Inconclusive"
