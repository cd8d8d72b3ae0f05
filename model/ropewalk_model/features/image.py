"""Image: uint8 pixels [H, W, C]; to the network they are divided by 255."""

from __future__ import annotations

import json
import math
from collections.abc import Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features.base import ENCODED_BYTES, FeatureType, JsonSchema, Unreadable
from ropewalk_model.features.bins import EdgeBins
from ropewalk_model.features.spec import Encoding, FeatureSpec
from ropewalk_model.tensor_spec import Dtype

IMAGE_SCALE = float(np.float32(1.0 / 255.0))


class ImageBins(EdgeBins):
    """Mean intensity in [0, 1]."""

    kind = "Image"

    @staticmethod
    def numbers(column: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The mean of each picture."""
        rows = len(column)
        means = column.reshape(rows, -1).mean(axis=1, dtype=np.float64) / 255.0 if rows else np.zeros(0)
        return means, np.zeros(rows, dtype=np.bool_)


class Image(FeatureType):
    """A picture."""

    name = "Image"
    bins_class = ImageBins
    whole = True

    def refusal(self, spec: FeatureSpec) -> str | None:
        """An image needs its shape."""
        if len(spec.shape) == 3 and min(spec.shape) >= 1 and spec.shape[2] in (1, 3, 4) and not spec.optional:
            return None
        return "an Image needs a shape [height, width, 1 or 3 or 4] and cannot be optional"

    def dtype(self, spec: FeatureSpec) -> Dtype:
        """A byte a channel."""
        return "UINT8"

    def json_schema(self, spec: FeatureSpec) -> JsonSchema:
        """Nested lists of pixels, or the bytes of a file."""
        pixels = super().json_schema(spec)
        return {"anyOf": [pixels, ENCODED_BYTES]} if len(spec.shape) == 3 else pixels

    def value_schema(self, spec: FeatureSpec) -> JsonSchema:
        """A byte."""
        return {"type": "integer", "minimum": 0, "maximum": 255}

    def example(self, spec: FeatureSpec) -> int:
        """Black."""
        return 0

    def parse(self, spec: FeatureSpec, raw: Any) -> NDArray[np.uint8] | None:
        """Pixels 0..255: an array, nested lists, a JSON list or numbers separated by spaces; None if missing."""
        if raw is None or (isinstance(raw, str) and not raw):
            return None
        if isinstance(raw, str):
            text = raw.strip()
            try:
                raw = json.loads(text) if text.startswith("[") else [float(one) for one in text.split()]
            except (ValueError, RecursionError):
                raise Unreadable from None
        try:
            pixels = np.asarray(raw, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise Unreadable from None
        if pixels.size != math.prod(spec.shape) or (pixels.ndim == 3 and pixels.shape != spec.shape):
            raise Unreadable
        if not bool(((pixels >= 0) & (pixels <= 255) & (pixels == np.floor(pixels))).all()):
            raise Unreadable
        return pixels.astype(np.uint8).reshape(spec.shape)

    def filler(self, spec: FeatureSpec) -> NDArray[np.uint8]:
        """Black."""
        return np.zeros(spec.shape, dtype=np.uint8)

    def describe(self, column: NDArray[Any], *, sensitive: bool) -> dict[str, Any]:
        """Count and mean intensity."""
        return {"count": len(column), "meanIntensity": float(column.mean() / 255.0)}

    def width(self, one: Encoding) -> int:
        """A number a channel of a pixel."""
        return math.prod(one.spec.shape)

    def encode_whole(self, column: NDArray[Any]) -> NDArray[np.float32]:
        """float32 [N, H, W, C] in [0, 1]."""
        scaled = column.astype(np.float32)
        scaled *= np.float32(IMAGE_SCALE)
        return scaled

    def document(self, one: Encoding) -> dict[str, Any]:
        """Scale and shape."""
        return {"encoding": "Scale", "scale": IMAGE_SCALE, "shape": list(one.spec.shape)}

    def edge_values(self, one: Encoding) -> list[Any]:
        """Black, white and grey."""
        shape = one.spec.shape
        return [np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), np.full(shape, 127, np.uint8)]

    def bins(self, spec: FeatureSpec, column: NDArray[Any], known: Container[str] = ()) -> ImageBins:
        """Ten quantiles of the mean intensity."""
        return ImageBins.quantiles(column)


IMAGE = Image()
