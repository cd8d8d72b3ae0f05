"""Text with TensorFlow's operations: what `ropewalk_model.text` does, step for step."""

from __future__ import annotations

from typing import Any

from ropewalk_model import text
from ropewalk_model.features import Encoding
from ropewalk_trainer.tf_encoding.base import TfEncoding


def table(tf: Any, one: Encoding) -> Any:
    """Words to token ids. A table may not be empty, so that it holds a space, which is no word, in any case."""
    words = list(one.vocabulary)
    values = [text.UNKNOWN, *range(text.FIRST_WORD, text.FIRST_WORD + len(words))]
    initializer = tf.lookup.KeyValueTensorInitializer(tf.constant([" ", *words]), tf.constant(values, tf.int64))
    return tf.lookup.StaticHashTable(initializer, default_value=text.UNKNOWN)


def encode(tf: Any, one: Encoding, table: Any, column: Any) -> Any:
    """float32 [N, max_tokens]: ids of a text's first words, then padding."""
    most = one.spec.max_tokens
    codes = tf.strings.unicode_decode(column, "UTF-8")[:, : text.MAX_CHARACTERS]
    folded = tf.gather(tf.constant(text.table()), tf.minimum(codes.flat_values, text.TABLE_SIZE - 1))
    plain = tf.strings.unicode_encode(codes.with_flat_values(folded), "UTF-8")
    spaced = tf.strings.regex_replace(plain, f"[{text.ALONE}]", r" \0 ")
    words = tf.strings.split(spaced, maxsplit=most)[:, :most]
    ids = words.with_flat_values(table.lookup(words.flat_values))
    return tf.cast(ids.to_tensor(text.PADDING, shape=[None, most]), tf.float32)


TEXT = TfEncoding(encode, table)
