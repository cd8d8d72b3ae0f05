"""From raw columns to the core network's one float32 input: the declared encoding with its learnt constants.

The SavedModel does the same with TensorFlow's operations; publishing proves the two equal. Arithmetic is float64
until one last rounding to float32, so that the two agree to the last bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import FORMAT_VERSION, text, timestamps
from ropewalk_model.signature import INT64_MISSING, Dtype, TensorSpec

FeatureType = Literal["Number", "Integer", "Boolean", "Category", "Text", "Timestamp", "Image", "Tensor"]
Columns = Mapping[str, NDArray[Any]]

CLIP = 20.0
"""Standardised values are clipped to +-20, so that no outlier or infinity turns a network's output into NaN."""
MAX_VOCABULARY = 1000
"""A Category without declared values learns at most so many, the most frequent first."""
LEAST_SEEN = 2
"""A Text's word must stand in the training rows so often to be learnt: from those that stand once the network learns
what an unknown word means, and a vocabulary is not full of typing errors."""
IMAGE_SCALE = float(np.float32(1.0 / 255.0))
_BOOLEAN_WORDS = ("false", "true")


@dataclass(frozen=True)
class FeatureSpec:
    """A declared feature. `values` is a Category's vocabulary if declared; `shape` is an Image's [H, W, C]
    or a Tensor's; `max_vocabulary` words of a Text are learnt and `max_tokens` of one are read."""

    name: str
    type: FeatureType
    optional: bool = False
    values: tuple[str, ...] | None = None
    shape: tuple[int, ...] = ()
    max_vocabulary: int = 20_000
    max_tokens: int = 200

    @property
    def dtype(self) -> Dtype:
        """The wire's dtype. An optional Boolean is a Category of "false", "true" and "" (missing)."""
        if self.type == "Boolean":
            return "STRING" if self.optional else "BOOL"
        kinds: Mapping[str, Dtype] = {
            "Number": "FLOAT",
            "Integer": "INT64",
            "Category": "STRING",
            "Text": "STRING",
            "Timestamp": "STRING",
            "Image": "UINT8",
            "Tensor": "FLOAT",
        }
        return kinds[self.type]

    @property
    def tensor(self) -> TensorSpec:
        """The input of this name in the signature."""
        return TensorSpec(self.name, self.dtype, (-1, *self.shape), self.optional, self.type == "Timestamp")


@dataclass(frozen=True)
class Encoding:
    """One feature with what was learnt: mean and scale (Number, Integer, Timestamp) or vocabulary (Category, Text)."""

    spec: FeatureSpec
    mean: float = 0.0
    scale: float = 1.0
    vocabulary: tuple[str, ...] = ()

    @property
    def standardized(self) -> bool:
        """Whether this is (x - mean) * scale."""
        return self.spec.type in ("Number", "Integer")

    @property
    def width(self) -> int:
        """Columns in the encoded matrix."""
        if self.standardized:
            return 2 if self.spec.optional else 1
        if self.spec.type == "Text":
            return self.spec.max_tokens
        if self.spec.type == "Timestamp":
            return timestamps.WIDTH + int(self.spec.optional)
        if self.spec.dtype == "STRING":
            return len(self.vocabulary) + 1 + int(self.spec.optional)
        if self.spec.type == "Boolean":
            return 1
        return int(np.prod(self.spec.shape))

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        document: dict[str, Any] = {
            "name": self.spec.name,
            "type": self.spec.type,
            "optional": self.spec.optional,
        }
        if self.standardized:
            document |= {"encoding": "Standardize", "mean": self.mean, "scale": self.scale, "clip": CLIP}
        elif self.spec.type == "Text":
            tokens = {"vocabulary": list(self.vocabulary), "maxTokens": self.spec.max_tokens}
            document |= {"encoding": "Tokens", **tokens}
        elif self.spec.type == "Timestamp":
            document |= {"encoding": "Cycles", "mean": self.mean, "scale": self.scale, "clip": CLIP}
        elif self.spec.dtype == "STRING":
            document |= {"encoding": "OneHot", "vocabulary": list(self.vocabulary)}
        elif self.spec.type == "Tensor":
            document |= {"encoding": "Identity", "shape": list(self.spec.shape)}
        elif self.spec.type == "Image":
            document |= {"encoding": "Scale", "scale": IMAGE_SCALE, "shape": list(self.spec.shape)}
        else:
            document |= {"encoding": "Identity"}
        if self.spec.values is not None:
            document["values"] = list(self.spec.values)
        return document

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Encoding:
        """Inverse of `document`."""
        spec = FeatureSpec(
            name=document["name"],
            type=document["type"],
            optional=bool(document["optional"]),
            values=tuple(document["values"]) if "values" in document else None,
            shape=tuple(document.get("shape", ())),
            max_tokens=int(document.get("maxTokens", FeatureSpec.max_tokens)),
        )
        if document["encoding"] in ("Standardize", "Cycles"):
            return Encoding(spec, mean=float(document["mean"]), scale=float(document["scale"]))
        return Encoding(spec, vocabulary=tuple(document.get("vocabulary", ())))


class Encoder:
    """Encodes columns of wire values. Immutable after construction, safe to share between threads."""

    def __init__(self, encodings: Sequence[Encoding]) -> None:
        self.encodings = tuple(encodings)
        alone = [one for one in self.encodings if one.spec.type in ("Image", "Tensor")]
        if alone and len(self.encodings) > 1:
            raise ValueError("a model takes one Image or Tensor feature alone, or none")
        self.alone = alone[0] if alone else None
        self.image = self.alone if self.alone and self.alone.spec.type == "Image" else None
        self.width = sum(one.width for one in self.encodings)
        offsets = np.cumsum([0, *(one.width for one in self.encodings)])
        placed = list(zip(self.encodings, (int(offset) for offset in offsets), strict=False))
        self._numbers = [(one, at) for one, at in placed if one.standardized]
        self._others = [(one, at) for one, at in placed if not one.standardized]
        self._mean = np.array([one.mean for one, _ in self._numbers], dtype=np.float64)
        self._scale = np.array([one.scale for one, _ in self._numbers], dtype=np.float64)
        self._targets = np.array([at for _, at in self._numbers], dtype=np.int64)
        self._integers = np.array([one.spec.type == "Integer" for one, _ in self._numbers], dtype=bool)
        self._optional = np.array([one.spec.optional for one, _ in self._numbers], dtype=bool)
        self._codes = {
            one.spec.name: {word: code for code, word in enumerate(one.vocabulary, _first_code(one))}
            for one, _ in self._others
        }

    @property
    def specs(self) -> tuple[FeatureSpec, ...]:
        """The features in order."""
        return tuple(one.spec for one in self.encodings)

    @property
    def known_words(self) -> dict[str, Container[str]]:
        """Of each Text, the words that have a token id of their own."""
        return {one.name: self._codes[one.name].keys() for one in self.specs if one.type == "Text"}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one encoded row: (width,), or an image's (H, W, C)."""
        return self.alone.spec.shape if self.alone else (self.width,)

    def encode(self, columns: Columns) -> NDArray[np.float32]:
        """Columns of equal length N by feature name -> float32 `[N, width]` (or `[N, H, W, C]`).

        Dtypes as in `FeatureSpec.dtype`; strings are `str` in object or `U` arrays. KeyError if one is absent.
        """
        if self.alone is not None:
            pixels = np.asarray(columns[self.alone.spec.name])
            if self.alone.spec.type == "Tensor":
                return np.ascontiguousarray(pixels, dtype=np.float32)
            scaled = pixels.astype(np.float32)
            scaled *= np.float32(IMAGE_SCALE)
            return scaled
        rows = len(columns[self.encodings[0].spec.name]) if self.encodings else 0
        encoded = np.zeros((rows, self.width), dtype=np.float32)
        if self._numbers:
            self._encode_numbers(columns, encoded)
        for one, at in self._others:
            column = columns[one.spec.name]
            if one.spec.dtype == "BOOL":
                encoded[:, at] = np.asarray(column, dtype=np.float32)
            elif one.spec.type == "Text":
                self._encode_text(one, column, encoded[:, at:])
            elif one.spec.type == "Timestamp":
                cycles, missing = timestamps.encode(column, one.mean, one.scale, CLIP)
                encoded[:, at : at + timestamps.WIDTH] = cycles
                if one.spec.optional:
                    encoded[:, at + timestamps.WIDTH] = missing
            else:
                encoded[np.arange(rows), at + self._slots(one, column)] = 1.0
        return encoded

    def _encode_numbers(self, columns: Columns, encoded: NDArray[np.float32]) -> None:
        matrix = np.empty((len(encoded), len(self._numbers)), dtype=np.float64)
        for index, (one, _) in enumerate(self._numbers):
            column = columns[one.spec.name]
            matrix[:, index] = column if one.spec.type == "Integer" else np.asarray(column, dtype=np.float32)
        missing = np.isnan(matrix)
        if self._integers.any():
            missing |= (matrix == float(INT64_MISSING)) & self._integers
        matrix -= self._mean
        matrix *= self._scale
        np.clip(matrix, -CLIP, CLIP, out=matrix)
        matrix[missing] = 0.0
        encoded[:, self._targets] = matrix
        if self._optional.any():
            encoded[:, self._targets[self._optional] + 1] = missing[:, self._optional]

    def _slots(self, one: Encoding, column: NDArray[Any]) -> NDArray[np.int64]:
        codes = self._codes[one.spec.name]
        unknown = len(one.vocabulary)
        if one.spec.optional:
            codes = {**codes, "": unknown + 1}
        return np.fromiter((codes.get(word, unknown) for word in column), dtype=np.int64, count=len(column))

    def _encode_text(self, one: Encoding, column: NDArray[Any], encoded: NDArray[np.float32]) -> None:
        codes, most = self._codes[one.spec.name], one.spec.max_tokens
        for row, value in enumerate(column):
            words = text.words(value, most)
            encoded[row, : len(words)] = [codes.get(word, text.UNKNOWN) for word in words]

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


def _first_code(one: Encoding) -> int:
    return text.FIRST_WORD if one.spec.type == "Text" else 0


def fit(features: Sequence[FeatureSpec], columns: Columns) -> Encoder:
    """Learn means, scales and vocabularies from the training rows (missing values are left out)."""
    return Encoder([_fit_one(spec, columns[spec.name]) for spec in features])


def _fit_one(spec: FeatureSpec, column: NDArray[Any]) -> Encoding:
    if spec.type in ("Number", "Integer", "Timestamp"):
        if spec.type == "Number":
            values = np.asarray(column, dtype=np.float32).astype(np.float64)
            values = values[np.isfinite(values)]
        else:
            times = spec.type == "Timestamp"
            integers = timestamps.column_seconds(column) if times else np.asarray(column, dtype=np.int64)
            values = integers[integers != INT64_MISSING].astype(np.float64)
        if not len(values):
            return Encoding(spec)
        deviation = float(values.std())
        mean = float(values.mean())
        tiny = 1e-7 * max(1e-30, abs(mean))
        return Encoding(spec, mean=mean, scale=1.0 / deviation if deviation > tiny else 1.0)
    if spec.type == "Text":
        seen = Counter(word for value in column for word in text.words(value, spec.max_tokens))
        often = Counter({word: count for word, count in seen.items() if count >= LEAST_SEEN})
        return Encoding(spec, vocabulary=_most_frequent(often, spec.max_vocabulary))
    if spec.dtype == "STRING":
        if spec.type == "Boolean":
            return Encoding(spec, vocabulary=_BOOLEAN_WORDS)
        if spec.values is not None:
            return Encoding(spec, vocabulary=spec.values)
        seen = Counter(word for word in column if word != "")
        return Encoding(spec, vocabulary=_most_frequent(seen, MAX_VOCABULARY))
    return Encoding(spec)


def _most_frequent(seen: Counter[str], most: int) -> tuple[str, ...]:
    ranked = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
    return tuple(word for word, _ in ranked[:most])
