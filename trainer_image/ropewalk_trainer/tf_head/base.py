"""The contract of a task's TensorFlow half: what follows the network's last layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from ropewalk_model.signature import Signature
from ropewalk_model.tasks import TrainedTask


class TfHead(ABC):
    """Loss, accuracy and answers of one task. `output` is what the network ends in, float32 [N, width]."""

    task: TrainedTask
    has_accuracy: bool = False
    """True if `hits` counts anything, so that training may be stopped by it."""

    @abstractmethod
    def target_dtype(self, tf: Any) -> Any:
        """TensorFlow's dtype of the targets."""

    @abstractmethod
    def losses(self, tf: Any, output: Any, targets: Any) -> Any:
        """The loss of each row: float32 [N]."""

    @abstractmethod
    def hits(self, tf: Any, output: Any, targets: Any) -> Any:
        """Rows that are predicted right: a float32 scalar, 0 for a task without accuracy."""

    @abstractmethod
    def core(self, tf: Any, output: Any, scale: tuple[float, float]) -> Any:
        """The core's output; `scale` is (mean, deviation) of the labels."""

    @abstractmethod
    def outputs(self, tf: Any, signature: Signature, core: Any) -> Mapping[str, Any]:
        """The signature's outputs of the core's, as `Task.answer` gives them."""
