"""Metrics are scikit-learn's to the last digits that matter: whoever recomputes one with it gets the same number."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference

from ropewalk_model.tasks import metrics
from ropewalk_trainer.evaluation import comparison

AVERAGES = {"Macro": "macro", "Micro": "micro", "Weighted": "weighted"}


def draw(classes: int, rows: int = 300, seed: int = 0) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Labels and probabilities that know something about them, with ties."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows).astype(np.int32)
    logits = random.normal(size=(rows, classes)).round(1)
    logits[np.arange(rows), truth] += 1.0
    grown = np.exp(logits)
    return truth, (grown / grown.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_counts_by_average(name: str, average: str, classes: int) -> None:
    truth, probabilities = draw(classes)
    theirs = getattr(reference, f"{name}_score")
    expected = theirs(truth, probabilities.argmax(axis=1), average=AVERAGES[average], zero_division=0)
    assert metrics.one(name, truth, probabilities, None, average) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_counts_of_the_positive_class(name: str, positive: int) -> None:
    truth, probabilities = draw(2)
    theirs = getattr(reference, f"{name}_score")
    expected = theirs(truth, probabilities.argmax(axis=1), pos_label=positive)
    assert metrics.one(name, truth, probabilities, positive, "Positive") == pytest.approx(expected, abs=1e-12)


def test_accuracy_log_loss_confusion() -> None:
    truth, probabilities = draw(4)
    found = metrics.classification(truth, probabilities, None)
    wide = probabilities.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    assert found["accuracy"] == reference.accuracy_score(truth, probabilities.argmax(axis=1))
    assert found["logLoss"] == pytest.approx(reference.log_loss(truth, wide), rel=1e-6)
    counts = metrics.confusion(truth, probabilities.argmax(axis=1), 4)
    assert counts.tolist() == reference.confusion_matrix(truth, probabilities.argmax(axis=1)).tolist()


@pytest.mark.parametrize("positive", [0, 1])
def test_auc_of_two_classes(positive: int) -> None:
    truth, probabilities = draw(2)
    expected = reference.roc_auc_score(truth == positive, probabilities[:, positive])
    assert metrics.one("auc", truth, probabilities, positive, "Positive") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("average", ["Macro", "Weighted", "Micro"])
def test_auc_of_many_classes(average: str) -> None:
    truth, probabilities = draw(5)
    wide = probabilities.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    expected = reference.roc_auc_score(truth, wide, multi_class="ovr", average=AVERAGES[average])
    assert metrics.one("auc", truth, probabilities, None, average) == pytest.approx(expected, abs=1e-6)


def test_regression() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=200).astype(np.float32)
    values = (truth + random.normal(size=200) * 0.3).astype(np.float32)
    found = metrics.regression(truth, values)
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(truth, values), rel=1e-6)
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(truth, values), rel=1e-6)
    assert found["r2"] == pytest.approx(reference.r2_score(truth, values), rel=1e-6)


def test_equal_models_do_not_differ_on_any_resample() -> None:
    hits = np.random.default_rng(0).random(57) < 0.9
    found = comparison.paired(lambda rows: (hits[rows].mean(), hits[rows].mean()), 57, 1, 1.0)
    assert (found.low, found.estimate, found.high) == (0.0, 0.0, 0.0)
    assert comparison.verdict(found, 0.01, None) == "Pass"


def test_few_rows_cannot_tell_two_good_models_apart() -> None:
    random = np.random.default_rng(0)
    new, old = random.random(57) < 0.95, random.random(57) < 0.95
    found = comparison.paired(lambda rows: (new[rows].mean(), old[rows].mean()), 57, 1, 1.0)
    assert found.low < -0.01 < found.high
    assert comparison.verdict(found, 0.01, None) == "Inconclusive"


def test_a_loss_is_better_when_smaller() -> None:
    errors = np.random.default_rng(0).random(500)
    found = comparison.paired(lambda rows: (errors[rows].mean() + 0.5, errors[rows].mean()), 500, 1, -1.0)
    assert found.estimate == pytest.approx(-0.5)
    assert comparison.verdict(found, 0.1, None) == "Fail"
    assert comparison.verdict(found, None, 0.1) == "Fail"
