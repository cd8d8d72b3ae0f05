"""Tensor: a float32 tensor that an imported model takes as it stands. No schema can declare one."""

from __future__ import annotations

import math
from collections.abc import Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features.base import FeatureType, JsonSchema
from ropewalk_model.features.number import NUMBER
from ropewalk_model.features.spec import Encoding, FeatureSpec
from ropewalk_model.tensor_spec import Dtype


class Tensor(FeatureType):
    """The input of an imported model. A place in a tensor has no name that anyone could act on, so that it has no
    bins."""

    name = "Tensor"
    bins_class = None
    whole = True
    declared = False

    def dtype(self, spec: FeatureSpec) -> Dtype:
        """float32."""
        return "FLOAT"

    def value_schema(self, spec: FeatureSpec) -> JsonSchema:
        """A number that float32 holds."""
        return NUMBER.value_schema(spec)

    def example(self, spec: FeatureSpec) -> float:
        """A half."""
        return NUMBER.example(spec)

    def parse(self, spec: FeatureSpec, raw: Any) -> Any:
        """An array of the shape."""
        return np.asarray(raw, dtype=np.float32).reshape(spec.shape)

    def filler(self, spec: FeatureSpec) -> NDArray[np.float32]:
        """Zeros."""
        return np.zeros(spec.shape, dtype=np.float32)

    def describe(self, column: NDArray[Any], *, sensitive: bool) -> dict[str, Any]:
        """Count."""
        return {"count": len(column)}

    def width(self, one: Encoding) -> int:
        """A number a place."""
        return math.prod(one.spec.shape)

    def encode_whole(self, column: NDArray[Any]) -> NDArray[np.float32]:
        """As it is."""
        return np.ascontiguousarray(column, dtype=np.float32)

    def document(self, one: Encoding) -> dict[str, Any]:
        """The shape."""
        return {"encoding": "Identity", "shape": list(one.spec.shape)}

    def bins(self, spec: FeatureSpec, column: NDArray[Any], known: Container[str] = ()) -> None:
        """None."""
        return


TENSOR = Tensor()
