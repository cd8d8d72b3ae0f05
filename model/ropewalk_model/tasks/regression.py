"""Regression: one value a row, in the label's unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features import NUMBER
from ropewalk_model.features.number import NumberBins
from ropewalk_model.tasks import metrics
from ropewalk_model.tasks.base import Answers, Judged, TrainedTask
from ropewalk_model.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from ropewalk_model.signature import Signature

VALUE_BINS = 20


class Regression(TrainedTask):
    """A number. The core gives values, float32 [N, 1]; within the network they are standardised."""

    name = "Regression"
    label_type = NUMBER
    prediction = "value"
    core = "value"

    def outputs(self, classes: Sequence[str]) -> tuple[TensorSpec, ...]:
        """value."""
        return (TensorSpec("value", "FLOAT"),)

    def core_width(self, classes: Sequence[str]) -> int:
        """One."""
        return 1

    def width(self, signature: Signature) -> int:
        """One."""
        return 1

    def answer(self, signature: Signature, core: Any) -> Answers:
        """The value of each row: float32 [N]."""
        return {"value": core.reshape(-1)}

    def prediction_bins(self, predictions: NDArray[Any], classes: Sequence[str]) -> NumberBins:
        """Twenty quantiles."""
        return NumberBins.quantiles(predictions, VALUE_BINS)

    def stored_labels(self, labels: NDArray[Any]) -> NDArray[np.float64]:
        """float64."""
        return labels.astype(np.float64)

    def single_label(self, labels: NDArray[Any]) -> str | None:
        """At least two values are needed."""
        return f"the one value {labels[0]:g} in every row" if np.ptp(labels) == 0 else None

    def classes_of(self, labels: NDArray[Any]) -> tuple[str, ...]:
        """None."""
        return ()

    def targets(self, labels: NDArray[Any], classes: Sequence[str]) -> NDArray[np.float32]:
        """Values."""
        return labels.astype(np.float32)

    def scale(self, targets: NDArray[Any]) -> tuple[float, float]:
        """Mean and deviation; 1 for values that are all the same."""
        wide = targets.astype(np.float64)
        deviation = float(wide.std())
        return float(wide.mean()), deviation if deviation > 0 else 1.0

    def standardized(self, targets: NDArray[Any], scale: tuple[float, float]) -> NDArray[np.float32]:
        """(value - mean) / deviation."""
        found: NDArray[np.float32] = ((targets - scale[0]) / scale[1]).astype(np.float32)
        return found

    def describe(self, labels: NDArray[Any]) -> dict[str, Any]:
        """Mean and deviation."""
        return {"count": len(labels), "mean": float(labels.mean()), "deviation": float(labels.std())}

    def metrics(self, judged: Judged) -> dict[str, float]:
        """mae, rmse, r2."""
        return metrics.regression(judged.truth, judged.answers.reshape(-1))

    def metric(self, name: str, judged: Judged, average: str | None) -> float:
        """One of them; no classes are averaged."""
        return self.metrics(judged)[name]


REGRESSION = Regression()
