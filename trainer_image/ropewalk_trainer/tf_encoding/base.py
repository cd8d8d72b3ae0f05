"""The contract of a feature type's TensorFlow half."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ropewalk_model.features import Encoding

Encode = Callable[[Any, Encoding, Any, Any], Any]
"""`encode(tf, one, table, column)`: a raw column [N, ...] to float32 [N, width], or to [N, *shape] of a whole feature;
equal to the numpy half to the last bit."""


@dataclass(frozen=True)
class TfEncoding:
    """`table(tf, one)` makes the lookup table that `encode` gets, for types that have one: the SavedModel holds it."""

    encode: Encode
    table: Callable[[Any, Encoding], Any] | None = None
