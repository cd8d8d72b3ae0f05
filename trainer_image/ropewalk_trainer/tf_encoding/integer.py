"""Integer with TensorFlow's operations."""

from __future__ import annotations

from typing import Any

from ropewalk_model.features import Encoding
from ropewalk_model.tensor_spec import INT64_MISSING
from ropewalk_trainer.tf_encoding.base import TfEncoding
from ropewalk_trainer.tf_encoding.standardized import standardize


def encode(tf: Any, one: Encoding, table: Any, column: Any) -> Any:
    """float32 [N, width]; the least int64 is missing, compared as the float64 that it becomes."""
    return standardize(tf, one, column, tf.equal(tf.cast(column, tf.float64), float(INT64_MISSING)))


INTEGER = TfEncoding(encode)
