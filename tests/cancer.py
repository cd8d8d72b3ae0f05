"""The tabular example's data: scikit-learn's breast cancer data set.

scikit-learn is imported when the data is asked for: with scipy it costs a second, which fast tests do not need.
"""

from __future__ import annotations

from functools import cache


@cache
def cancer_csv() -> str:
    """All 569 rows in the example's CSV format."""
    from examples.tabular.make_data import shuffled

    return str(shuffled().to_csv(index=False))


@cache
def malignant() -> dict[str, float]:
    """The features of the data set's first row, which is malignant, by the names of the model's inputs."""
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame
    return {str(k).replace(" ", "_"): float(v) for k, v in frame.iloc[0].items() if k != "target"}
