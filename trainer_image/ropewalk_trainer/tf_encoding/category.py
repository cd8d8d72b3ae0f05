"""Category with TensorFlow's operations: one-hot of a lookup table."""

from __future__ import annotations

from typing import Any

from ropewalk_model.features import Encoding
from ropewalk_trainer.tf_encoding.base import TfEncoding


def table(tf: Any, one: Encoding) -> Any:
    """Words to columns; what is unknown has the one after the last word, what is missing the next."""
    words, unknown = list(one.vocabulary), len(one.vocabulary)
    codes = list(range(unknown))
    if one.spec.optional:
        words, codes = [*words, ""], [*codes, unknown + 1]
    initializer = tf.lookup.KeyValueTensorInitializer(
        tf.constant(words, tf.string), tf.constant(codes, tf.int64), key_dtype=tf.string, value_dtype=tf.int64
    )
    return tf.lookup.StaticHashTable(initializer, default_value=unknown)


def encode(tf: Any, one: Encoding, table: Any, column: Any) -> Any:
    """float32 [N, width]."""
    return tf.one_hot(table.lookup(column), one.width, dtype=tf.float32)


CATEGORY = TfEncoding(encode, table)
