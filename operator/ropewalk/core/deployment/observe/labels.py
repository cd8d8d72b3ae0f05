"""Counts of labels that met a prediction, and the quality that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ropewalk.core.plan import Json
from ropewalk_contract.documents.fields import integer
from ropewalk_model.windows import Bucket, ClassCounts, add_classes, class_counts, class_rows


@dataclass(frozen=True, slots=True)
class Labels:
    """Counts of labels and of correct predictions; by class: labels of it, predictions of it, and hits."""

    count: int = 0
    correct: int = 0
    classes: Mapping[int, ClassCounts] = field(default_factory=dict)

    @staticmethod
    def of(bucket: Bucket) -> Labels:
        """The labels of a bucket."""
        return Labels(bucket.label_count, bucket.label_correct, bucket.classes)

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"count": self.count, "correct": self.correct, "classes": class_rows(self.classes)}

    @staticmethod
    def from_document(document: Json) -> Labels:
        """Inverse of `document`. Raises KeyError, TypeError or ValueError for anything else."""
        count, correct = (integer(document[key], key) for key in ("count", "correct"))
        return Labels(count, correct, class_counts(document["classes"]))

    def plus(self, other: Labels) -> Labels:
        """Both together."""
        return Labels(self.count + other.count, self.correct + other.correct, add_classes(self.classes, other.classes))

    def quality(self, positive: int | None = None) -> list[tuple[str, float]]:
        """Accuracy; precision and recall of the positive class, or averaged over the classes that came up (macro)."""
        found = [("accuracy", self.correct / self.count)] if self.count else []
        asked = [self.classes.get(positive, (0, 0, 0))] if positive is not None else list(self.classes.values())
        precisions = [hits / predicted for _, predicted, hits in asked if predicted]
        recalls = [hits / true for true, _, hits in asked if true]
        if precisions and recalls:
            found += [("precision", sum(precisions) / len(precisions)), ("recall", sum(recalls) / len(recalls))]
        return found
