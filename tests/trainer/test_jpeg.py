"""JPEG as training sees it: the pixels of the exact transform, which another version must not change."""

from __future__ import annotations

import numpy as np
import pytest
import simplejpeg

from ropewalk_model import jpeg
from ropewalk_trainer import lazy_imports


@pytest.mark.parametrize("shape", [(28, 28, 3), (65, 47, 3), (28, 28, 1), (1, 1, 1)])
@pytest.mark.parametrize("progressive", [False, True])
def test_pixels_are_those_of_tensorflows_accurate_decoder(shape: tuple[int, ...], progressive: bool) -> None:
    """By TensorFlow's encoder too, which halves the colours' resolution."""
    tf = lazy_imports.tensorflow()
    pixels = np.random.default_rng(1).integers(0, 256, (*shape[:2], 3)).astype(np.uint8)
    written = tf.io.encode_jpeg(pixels, progressive=progressive, chroma_downsampling=True).numpy()
    for file in (written, simplejpeg.encode_jpeg(pixels, colorsubsampling="444")):
        exact = tf.io.decode_jpeg(file, channels=shape[2], dct_method="INTEGER_ACCURATE").numpy()
        assert np.array_equal(jpeg.decode(file, shape), exact)
