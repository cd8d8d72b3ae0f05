"""The encoding of models that have Number features only, in one step for all of them instead of one a feature.

It is `ropewalk_model.features.Encoder` restated for a matrix (39 us become 6 us a row); a version uses it only after
its examples came out the same to the last bit (`model.replay`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features import CLIP, Encoder
from ropewalk_model.features.standardized import Standardized


class MatrixEncoder:
    """Encodes float32 [N, features]; immutable, shared between threads."""

    def __init__(self, encoder: Encoder, order: Sequence[int]) -> None:
        encodings = encoder.encodings
        self._mean = np.array([one.mean for one in encodings], dtype=np.float64)
        self._scale = np.array([one.scale for one in encodings], dtype=np.float64)
        self._order = None if list(order) == list(range(len(order))) else np.array(order, dtype=np.int64)
        optional = [one.spec.optional for one in encodings]
        self._width = encoder.width
        starts = np.cumsum([0, *(one.width for one in encodings)])[:-1]
        self._targets = starts if any(optional) else None
        self._optional = np.array(optional, dtype=bool)

    @staticmethod
    def of(encoder: Encoder, names: Sequence[str]) -> MatrixEncoder | None:
        """For inputs in this order; None if the model has other features than Numbers."""
        if not all(isinstance(one.kind, Standardized) and one.dtype == "FLOAT" for one in encoder.specs):
            return None
        try:
            return MatrixEncoder(encoder, [list(names).index(one.spec.name) for one in encoder.encodings])
        except ValueError:
            return None

    def encode(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [N, width]. The matrix has no NaN: rows with missing values take the columns' way."""
        wide = matrix.astype(np.float64)
        if self._order is not None:
            wide = wide[:, self._order]
        wide -= self._mean
        wide *= self._scale
        np.minimum(wide, CLIP, out=wide)
        np.maximum(wide, -CLIP, out=wide)
        if self._targets is None:
            return wide.astype(np.float32)
        encoded = np.zeros((len(matrix), self._width), dtype=np.float32)
        encoded[:, self._targets] = wide
        return encoded
