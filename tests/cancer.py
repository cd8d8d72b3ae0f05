"""The tabular example's data: scikit-learn's breast cancer data set."""

from __future__ import annotations

from functools import cache

from sklearn.datasets import load_breast_cancer

from examples.tabular.make_data import shuffled


@cache
def cancer_csv() -> str:
    """All 569 rows in the example's CSV format."""
    return str(shuffled().to_csv(index=False))


@cache
def malignant() -> dict[str, float]:
    """The features of the data set's first row, which is malignant, by the names of the model's inputs."""
    frame = load_breast_cancer(as_frame=True).frame
    return {str(k).replace(" ", "_"): float(v) for k, v in frame.iloc[0].items() if k != "target"}
