"""Classification: probabilities of classes, the best one as the label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features import CATEGORY
from ropewalk_model.features.category import CategoryBins
from ropewalk_model.tasks import metrics
from ropewalk_model.tasks.base import Answers, Judged, TrainedTask
from ropewalk_model.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from ropewalk_model.signature import Signature

NO_CLASS = ("", "nan", "null")
"""Words that are a missing label, unless they are declared as classes."""


class Classification(TrainedTask):
    """One of several classes. The core gives probabilities, float32 [N, classes]."""

    name = "Classification"
    label_type = CATEGORY
    prediction = "label"
    core = "probabilities"

    def outputs(self, classes: Sequence[str]) -> tuple[TensorSpec, ...]:
        """label, score, probabilities."""
        return (
            TensorSpec("label", "STRING"),
            TensorSpec("score", "FLOAT"),
            TensorSpec("probabilities", "FLOAT", (-1, len(classes))),
        )

    def core_width(self, classes: Sequence[str]) -> int:
        """A column a class."""
        return len(classes)

    def width(self, signature: Signature) -> int:
        """A column a class."""
        return len(signature.classes) or 1

    def answer(self, signature: Signature, core: Any) -> Answers:
        """The best class, its probability, and all probabilities."""
        best = core.argmax(axis=1) if len(core) else np.zeros(0, dtype=np.int64)
        return {
            "label": np.asarray(signature.classes, dtype=object)[best],
            "score": core[np.arange(len(core)), best],
            "probabilities": core,
        }

    def prediction_bins(self, predictions: NDArray[Any], classes: Sequence[str]) -> CategoryBins:
        """The classes."""
        return CategoryBins(values=tuple(classes))

    def missing_labels(self, labels: NDArray[Any], classes: Sequence[str]) -> NDArray[np.bool_]:
        """Words that stand for nothing."""
        return np.array([str(one).strip().lower() in NO_CLASS and one not in classes for one in labels], dtype=np.bool_)

    def stored_labels(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Words."""
        return labels

    def single_label(self, labels: NDArray[Any]) -> str | None:
        """At least two classes are needed."""
        seen = sorted(set(labels.tolist()))
        return None if len(seen) > 1 else f"the one class {seen[0]!r} in every row; two are needed"

    def classes_of(self, labels: NDArray[Any]) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted(set(labels.tolist())))

    def targets(self, labels: NDArray[Any], classes: Sequence[str]) -> NDArray[np.int32]:
        """Indices of classes."""
        index = {name: code for code, name in enumerate(classes)}
        return np.array([index[label] for label in labels], dtype=np.int32)

    def balance(self, targets: NDArray[Any], classes: Sequence[str]) -> NDArray[np.float64]:
        """The inverse of how often the class occurs."""
        counts = np.bincount(targets, minlength=len(classes))
        weights: NDArray[np.float64] = (len(targets) / (len(counts) * np.maximum(counts, 1)))[targets]
        return weights

    def describe(self, labels: NDArray[Any]) -> dict[str, Any]:
        """How often each class occurs."""
        words, counts = np.unique(labels.astype(str), return_counts=True)
        return {"count": len(labels), "classes": {str(w): int(c) for w, c in zip(words, counts, strict=True)}}

    def metrics(self, judged: Judged) -> dict[str, float]:
        """accuracy, precision, recall, f1, auc, logLoss; of the positive class where there is one."""
        return metrics.classification(judged.truth, judged.answers, judged.positive)

    def metric(self, name: str, judged: Judged, average: str | None) -> float:
        """One metric; without an average it is of the positive class where there is one, else the classes' mean."""
        chosen = average or metrics.default_average(judged.positive)
        return metrics.one(name, judged.truth, judged.answers, judged.positive, chosen)

    def details(self, judged: Judged, classes: Sequence[str]) -> dict[str, Any]:
        """Counts of classes by the class that was predicted."""
        counts = metrics.confusion(judged.truth, judged.answers.argmax(axis=1), len(classes))
        return {"confusion": {"classes": list(classes), "counts": counts.tolist()}}


CLASSIFICATION = Classification()
