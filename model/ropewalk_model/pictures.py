"""Files of pictures to pixels, by one function for training and serving: PNG and JPEG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import jpeg, png

MAGICS = (png.MAGIC, jpeg.MAGIC)
"""The first bytes of the files that are decoded."""


def decode(data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 [height, width, channels] of the shape that is asked for; the header is compared with it before any pixel
    is unpacked. Raises ValueError with words for a user."""
    if data.startswith(png.MAGIC):
        return png.decode(data, shape)
    if data.startswith(jpeg.MAGIC):
        return jpeg.decode(data, shape)
    raise ValueError("neither a PNG nor a JPEG")
