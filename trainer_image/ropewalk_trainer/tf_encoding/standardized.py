"""(x - mean) * scale with TensorFlow's operations, for Number, Integer and the seconds of a Timestamp."""

from __future__ import annotations

from typing import Any

from ropewalk_model.features import CLIP, Encoding


def scaled(tf: Any, one: Encoding, column: Any) -> Any:
    """float64 [N], clipped."""
    wide = (tf.cast(column, tf.float64) - tf.constant(one.mean, tf.float64)) * tf.constant(one.scale, tf.float64)
    return tf.clip_by_value(wide, tf.constant(-CLIP, tf.float64), tf.constant(CLIP, tf.float64))


def standardize(tf: Any, one: Encoding, column: Any, missing: Any) -> Any:
    """float32 [N, 1 or 2]: zero where it is `missing`, which the second column of an optional feature says."""
    number = scaled(tf, one, column)
    filled = tf.cast(tf.where(missing, tf.zeros_like(number), number), tf.float32)[:, None]
    return tf.concat([filled, tf.cast(missing, tf.float32)[:, None]], axis=1) if one.spec.optional else filled
