"""Metrics of a model on one split, by their definitions; equal to scikit-learn's, by test (numpy is enough for it)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EPSILON = 1e-15
AVERAGES = ("Macro", "Micro", "Weighted", "Positive")


def confusion(truth: NDArray[np.int32], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Counts `[truth, predicted]`."""
    flat = truth.astype(np.int64) * classes + predicted
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def classification(
    truth: NDArray[np.int32], probabilities: NDArray[np.float32], positive: int | None
) -> dict[str, float]:
    """accuracy, precision, recall, f1, auc, logLoss; averaged Positive where there is a positive class, else Macro."""
    average = default_average(positive)
    names = ("accuracy", "precision", "recall", "f1", "auc", "logLoss")
    return {name: one(name, truth, probabilities, positive, average) for name in names}


def default_average(positive: int | None) -> str:
    """How classes are combined where nothing is stated."""
    return "Macro" if positive is None else "Positive"


def regression(truth: NDArray[np.float32], values: NDArray[np.float32]) -> dict[str, float]:
    """mae, rmse, r2."""
    error = truth.astype(np.float64) - values.astype(np.float64)
    spread = float(((truth.astype(np.float64) - truth.astype(np.float64).mean()) ** 2).sum())
    r2 = 1.0 - float((error**2).sum()) / spread if spread > 0 else 0.0
    return {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean())), "r2": r2}


def one(
    name: str,
    truth: NDArray[np.int32],
    probabilities: NDArray[np.float32],
    positive: int | None,
    average: str,
) -> float:
    """One metric of a classification under one average (for those that have one)."""
    wide = probabilities.astype(np.float64)
    predicted = probabilities.argmax(axis=1)
    if name == "accuracy":
        return float((predicted == truth).mean())
    if name == "logLoss":
        wide = np.clip(wide, EPSILON, 1.0)
        wide /= wide.sum(axis=1, keepdims=True)
        return float(-np.log(np.clip(wide[np.arange(len(truth)), truth], EPSILON, 1.0)).mean())
    if name == "auc":
        return _auc(truth, wide, positive, average)
    return _averaged(name, confusion(truth, predicted, wide.shape[1]), positive, average)


def _averaged(name: str, counts: NDArray[np.int64], positive: int | None, average: str) -> float:
    hits = np.diag(counts).astype(np.float64)
    predicted, actual = counts.sum(axis=0).astype(np.float64), counts.sum(axis=1).astype(np.float64)
    if average == "Micro":
        return float(hits.sum() / counts.sum())
    precision = _ratio(hits, predicted)
    recall = _ratio(hits, actual)
    by_class = {"precision": precision, "recall": recall, "f1": _ratio(2 * hits, predicted + actual)}[name]
    if average == "Positive":
        return float(by_class[0 if positive is None else positive])
    present = (predicted + actual) > 0
    if average == "Weighted":
        return float((by_class * actual).sum() / actual.sum())
    return float(by_class[present].mean())


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _auc(truth: NDArray[np.int32], probabilities: Floats, positive: int | None, average: str) -> float:
    """Area under the ROC curve: of the positive class, or the mean of each class against the rest."""
    if average == "Positive" and positive is not None:
        return _ranked(truth == positive, probabilities[:, positive])
    if average == "Micro":
        hot = np.eye(probabilities.shape[1], dtype=bool)[truth]
        return _ranked(hot.ravel(), probabilities.ravel())
    if probabilities.shape[1] == 2:
        return _ranked(truth == 1, probabilities[:, 1])
    present = [c for c in range(probabilities.shape[1]) if 0 < (truth == c).sum() < len(truth)]
    areas = np.array([_ranked(truth == c, probabilities[:, c]) for c in present])
    if not len(areas):
        return 0.5
    shares = np.array([(truth == c).sum() for c in present], dtype=np.float64)
    return float((areas * shares).sum() / shares.sum()) if average == "Weighted" else float(areas.mean())


def _ranked(positive: NDArray[np.bool_], scores: Floats) -> float:
    """Mann-Whitney's U over the number of pairs, ties counting half."""
    n = int(positive.sum())
    m = len(positive) - n
    if not n or not m:
        return 0.5
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2.0)[inverse]
    return float((ranks[positive].sum() - n * (n + 1) / 2.0) / (n * m))


def higher_is_better(name: str) -> bool:
    """True if a greater value is the better one."""
    return name not in ("logLoss", "mae", "rmse")
