"""Regression with TensorFlow's operations: the square of the error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ropewalk_model.signature import Signature
from ropewalk_model.tasks import REGRESSION
from ropewalk_trainer.tf_head.base import TfHead


class RegressionHead(TfHead):
    """The network ends in one standardised value."""

    task = REGRESSION

    def target_dtype(self, tf: Any) -> Any:
        """Standardised values."""
        return tf.float32

    def losses(self, tf: Any, output: Any, targets: Any) -> Any:
        """The square of the error."""
        return tf.square(output[:, 0] - targets)

    def hits(self, tf: Any, output: Any, targets: Any) -> Any:
        """None."""
        return 0.0

    def core(self, tf: Any, output: Any, scale: tuple[float, float]) -> Any:
        """Values in the label's unit."""
        return output * scale[1] + scale[0]

    def outputs(self, tf: Any, signature: Signature, core: Any) -> Mapping[str, Any]:
        """value."""
        return {"value": tf.reshape(core, [-1])}
