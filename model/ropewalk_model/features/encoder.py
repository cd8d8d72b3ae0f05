"""All features of a model at once: columns of wire values to the encoded rows. Types are dispatched when it is made."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import FORMAT_VERSION
from ropewalk_model.features.spec import Columns, Encoding, FeatureSpec
from ropewalk_model.features.standardized import CLIP, Standardized


class Encoder:
    """Encodes columns of wire values. Immutable after construction, safe to share between threads."""

    def __init__(self, encodings: Sequence[Encoding]) -> None:
        self.encodings = tuple(encodings)
        whole = [one for one in self.encodings if one.spec.kind.whole]
        if whole and len(self.encodings) > 1:
            raise ValueError("a model takes one Image or Tensor feature alone, or none")
        self.whole = whole[0] if whole else None
        """The feature that is the model's only one, where one row has its shape."""
        self.width = sum(one.width for one in self.encodings)
        offsets = np.cumsum([0, *(one.width for one in self.encodings)])
        placed = list(zip(self.encodings, (int(offset) for offset in offsets), strict=False))
        numbers = [(one, one.spec.kind, at) for one, at in placed if isinstance(one.spec.kind, Standardized)]
        self._numbers = [(one.spec.name, kind.numbers) for one, kind, _ in numbers]
        self._mean = np.array([one.mean for one, _, _ in numbers], dtype=np.float64)
        self._scale = np.array([one.scale for one, _, _ in numbers], dtype=np.float64)
        self._missing = np.array([kind.missing for _, kind, _ in numbers], dtype=np.float64)
        self._has_missing = not np.isnan(self._missing).all()
        self._targets = np.array([at for _, _, at in numbers], dtype=np.int64)
        self._optional = np.array([one.spec.optional for one, _, _ in numbers], dtype=bool)
        self._others = [
            (one.spec.name, one.spec.kind.encoder(one), slice(at, at + one.width))
            for one, at in placed
            if not isinstance(one.spec.kind, Standardized) and not one.spec.kind.whole
        ]

    @property
    def specs(self) -> tuple[FeatureSpec, ...]:
        """The features in order."""
        return tuple(one.spec for one in self.encodings)

    @property
    def known_words(self) -> dict[str, Container[str]]:
        """Of each feature that is counted by the words that the model knows, these words."""
        found = {one.spec.name: one.spec.kind.known_words(one) for one in self.encodings}
        return {name: words for name, words in found.items() if words is not None}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one encoded row: (width,), or an image's (H, W, C)."""
        return self.whole.spec.shape if self.whole else (self.width,)

    def encode(self, columns: Columns) -> NDArray[np.float32]:
        """Columns of equal length N by feature name -> float32 `[N, width]` (or `[N, H, W, C]`).

        Dtypes as in `FeatureSpec.dtype`; strings are `str` in object or `U` arrays. KeyError if one is absent.
        """
        if self.whole is not None:
            return self.whole.spec.kind.encode_whole(np.asarray(columns[self.whole.spec.name]))
        rows = len(columns[self.encodings[0].spec.name]) if self.encodings else 0
        encoded = np.zeros((rows, self.width), dtype=np.float32)
        if self._numbers:
            self._encode_numbers(columns, encoded)
        for name, write, places in self._others:
            write(columns[name], encoded[:, places])
        return encoded

    def _encode_numbers(self, columns: Columns, encoded: NDArray[np.float32]) -> None:
        matrix = np.empty((len(encoded), len(self._numbers)), dtype=np.float64)
        for index, (name, numbers) in enumerate(self._numbers):
            matrix[:, index] = numbers(columns[name])
        missing = np.isnan(matrix)
        if self._has_missing:
            missing |= matrix == self._missing
        matrix -= self._mean
        matrix *= self._scale
        np.clip(matrix, -CLIP, CLIP, out=matrix)
        matrix[missing] = 0.0
        encoded[:, self._targets] = matrix
        if self._optional.any():
            encoded[:, self._targets[self._optional] + 1] = missing[:, self._optional]

    def document(self) -> dict[str, Any]:
        """The JSON form: features.json."""
        return {
            "formatVersion": FORMAT_VERSION,
            "width": self.width,
            "features": [one.document() for one in self.encodings],
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Encoder:
        """Inverse of `document`. ValueError for a format this code does not know."""
        if document.get("formatVersion") != FORMAT_VERSION:
            raise ValueError(f"features.json has formatVersion {document.get('formatVersion')!r}, not 1")
        return Encoder([Encoding.from_document(one) for one in document["features"]])


def fit(features: Sequence[FeatureSpec], columns: Columns) -> Encoder:
    """Learn means, scales and vocabularies from the training rows (missing values are left out)."""
    return Encoder([spec.kind.fit(spec, columns[spec.name]) for spec in features])
