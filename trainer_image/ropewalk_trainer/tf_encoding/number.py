"""Number with TensorFlow's operations."""

from __future__ import annotations

from typing import Any

from ropewalk_model.features import Encoding
from ropewalk_trainer.tf_encoding.base import TfEncoding
from ropewalk_trainer.tf_encoding.standardized import standardize


def encode(tf: Any, one: Encoding, table: Any, column: Any) -> Any:
    """float32 [N, width]; NaN is missing."""
    return standardize(tf, one, column, tf.math.is_nan(tf.cast(column, tf.float64)))


NUMBER = TfEncoding(encode)
