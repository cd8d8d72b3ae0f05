"""The contract of a task: its answers, and, for a task that Pipelines train, how labels and answers are judged.
One file a task, one line in the table of `ropewalk_model.tasks`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features.base import FeatureType
from ropewalk_model.features.bins import Bins
from ropewalk_model.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from ropewalk_model.signature import Signature

Answers = dict[str, NDArray[Any]]


class Task(ABC):
    """A task. Immutable; one object for all models of the task."""

    name: ClassVar[str]
    """Its name in stored documents."""
    named_outputs: ClassVar[bool] = False
    """True if the core gives named tensors of any shapes; else it gives one float32 [N, width]."""
    plain: ClassVar[bool] = False
    """True if the answer is the core's output as it stands."""
    finite: ClassVar[bool] = True
    """True if the answers of a sound model are finite."""

    @abstractmethod
    def width(self, signature: Signature) -> int:
        """Columns of the core's output."""

    @abstractmethod
    def answer(self, signature: Signature, core: Any) -> Answers:
        """The named outputs of what the core gives."""


@dataclass(frozen=True)
class Judged:
    """Answers of the core, float32 [N, width], beside the truth as `TrainedTask.targets` gives it; `positive` is the
    index of the positive class, if there is one."""

    truth: NDArray[Any]
    answers: NDArray[np.float32]
    positive: int | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: NDArray[np.int64]) -> Judged:
        """These rows."""
        return Judged(self.truth[rows], self.answers[rows], self.positive)


class TrainedTask(Task):
    """A task that Pipelines train: one column of labels."""

    label_type: ClassVar[FeatureType]
    """The type that raw labels are read as, whose name `spec.schema.label.type` gives."""
    prediction: ClassVar[str]
    """The output that is compared with a label, and counted in `prediction_bins`."""
    core: ClassVar[str]
    """The output that the core gives."""

    @abstractmethod
    def outputs(self, classes: Sequence[str]) -> tuple[TensorSpec, ...]:
        """The signature's outputs."""

    @abstractmethod
    def core_width(self, classes: Sequence[str]) -> int:
        """Columns of the core's output."""

    @abstractmethod
    def prediction_bins(self, predictions: NDArray[Any], classes: Sequence[str]) -> Bins:
        """Bins of the output `prediction`."""

    def missing_labels(self, labels: NDArray[Any], classes: Sequence[str]) -> NDArray[np.bool_]:
        """Accepted labels that are missing all the same: bool [N]."""
        return np.zeros(len(labels), dtype=np.bool_)

    @abstractmethod
    def stored_labels(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Accepted labels as snapshots hold them."""

    @abstractmethod
    def single_label(self, labels: NDArray[Any]) -> str | None:
        """A message about labels that are all the same; None where they differ."""

    @abstractmethod
    def classes_of(self, labels: NDArray[Any]) -> tuple[str, ...]:
        """The classes that labels show, in order; empty for a task without classes."""

    @abstractmethod
    def targets(self, labels: NDArray[Any], classes: Sequence[str]) -> NDArray[Any]:
        """Labels as the network's loss takes them: [N]."""

    def scale(self, targets: NDArray[Any]) -> tuple[float, float]:
        """(mean, deviation) that the network's output is standardised by."""
        return 0.0, 1.0

    def standardized(self, targets: NDArray[Any], scale: tuple[float, float]) -> NDArray[Any]:
        """Targets in the unit of the network's output."""
        return targets

    def balance(self, targets: NDArray[Any], classes: Sequence[str]) -> NDArray[np.float64] | None:
        """Weights [N] that give all classes the same part in the loss; None for a task without classes."""
        return None

    @abstractmethod
    def describe(self, labels: NDArray[Any]) -> dict[str, Any]:
        """Statistics of the training rows' labels for statistics.json."""

    @abstractmethod
    def metrics(self, judged: Judged) -> dict[str, float]:
        """All metrics by name."""

    @abstractmethod
    def metric(self, name: str, judged: Judged, average: str | None) -> float:
        """One metric; `average` as in `spec.evaluate.metrics[].average`."""

    def details(self, judged: Judged, classes: Sequence[str]) -> dict[str, Any]:
        """The part of evaluation.json beside metrics."""
        return {}
