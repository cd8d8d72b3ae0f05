"""The tabular example's data: scikit-learn's breast cancer data set."""

from __future__ import annotations

from examples.tabular.make_data import shuffled


def cancer_csv() -> str:
    """All 569 rows in the example's CSV format."""
    return str(shuffled().to_csv(index=False))
