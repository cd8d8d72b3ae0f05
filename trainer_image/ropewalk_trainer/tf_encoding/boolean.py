"""Boolean with TensorFlow's operations: a number, or a category of two words where it is optional."""

from __future__ import annotations

from typing import Any

from ropewalk_model.features import Encoding
from ropewalk_trainer.tf_encoding import category
from ropewalk_trainer.tf_encoding.base import TfEncoding


def table(tf: Any, one: Encoding) -> Any:
    """The words of an optional one; None of another."""
    return category.table(tf, one) if one.spec.optional else None


def encode(tf: Any, one: Encoding, table: Any, column: Any) -> Any:
    """float32 [N, width]."""
    return category.encode(tf, one, table, column) if one.spec.optional else tf.cast(column, tf.float32)[:, None]


BOOLEAN = TfEncoding(encode, table)
