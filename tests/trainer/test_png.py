"""PNG as training sees it: the pixels of TensorFlow's decoder, which read these files before."""

from __future__ import annotations

import numpy as np
import pytest

from ropewalk_model import pictures
from ropewalk_trainer import lazy_imports
from tests.png_files import COLOUR, COLOUR_ALPHA, FORMS, GREY, PALETTE, SIZE, written

CHANNELS = {GREY: (1, 3), COLOUR: (3,), PALETTE: (3,), COLOUR_ALPHA: (4,)}


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "bits"), [form for form in FORMS if form[0] in CHANNELS])
def test_pixels_are_those_of_tensorflow(colour: int, bits: int, interlaced: bool) -> None:
    """In the channels that the file has, and of greyscale in three."""
    tf = lazy_imports.tensorflow()
    data, _ = written(colour, bits, interlaced=interlaced)
    for channels in CHANNELS[colour]:
        expected = tf.io.decode_png(data, channels=channels).numpy()
        assert np.array_equal(pictures.decode(data, (*SIZE, channels)), expected)
