"""Image with TensorFlow's operations."""

from __future__ import annotations

from typing import Any

from ropewalk_model.features import Encoding
from ropewalk_model.features.image import IMAGE_SCALE
from ropewalk_trainer.tf_encoding.base import TfEncoding


def encode(tf: Any, one: Encoding, table: Any, column: Any) -> Any:
    """float32 [N, H, W, C] in [0, 1]."""
    return tf.cast(column, tf.float32) * tf.constant(IMAGE_SCALE, tf.float32)


IMAGE = TfEncoding(encode)
