"""JPEG to pixels, for training and serving alike: two decoders may differ by several levels of a channel.

Greyscale and colour are converted into each other as the declared channels require. The EXIF orientation of a camera is
not applied. The only file that imports simplejpeg.
"""

from __future__ import annotations

import numpy as np
import simplejpeg
from numpy.typing import NDArray

MAGIC = b"\xff\xd8\xff"
_SCAN = b"\xff\xda"
MOST_SCANS = 100
"""Encoders write about ten. A progressive file may hold tens of thousands, each a pass over the whole picture."""
_SPACES: dict[tuple[int, ...], str] = {(1,): "GRAY", (3,): "RGB"}
_STORED = ("Gray", "YCbCr", "RGB")


def fits(data: bytes, shape: tuple[int, ...]) -> bool:
    """True if the bytes begin with the header of a JPEG of this height and width."""
    try:
        return data.startswith(MAGIC) and _header(data)[0] == shape[:2]
    except ValueError:
        return False


def decode(data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 [height, width, channels] of the shape that is asked for; nothing else is ever unpacked.

    Raises ValueError with words for a user: damaged and truncated files among others, of which nothing is guessed.
    """
    size, stored = _header(data)
    if size != shape[:2]:
        raise ValueError(f"expecting shape {list(shape)}, got a JPEG of {list(size)}")
    if shape[2:] not in _SPACES:
        raise ValueError(f"a JPEG becomes 1 or 3 channels, but shape {list(shape)} is wanted: use a PNG")
    if stored not in _STORED:
        raise ValueError(f"the JPEG is {stored}, whose colours depend on a printer's profile: convert it to RGB")
    if data.count(_SCAN) > MOST_SCANS:
        raise ValueError(f"the JPEG has more than {MOST_SCANS} scans: save it anew")
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, _SPACES[shape[2:]])
    except ValueError:
        raise ValueError("the JPEG is damaged") from None
    return pixels


def _header(data: bytes) -> tuple[tuple[int, int], str]:
    """Height and width, and the colours as they are stored."""
    try:
        height, width, stored, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        raise ValueError("the JPEG is damaged") from None
    return (int(height), int(width)), str(stored)
