"""JPEG for training and serving: what is decoded, how, and what is refused."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest
import simplejpeg

from ropewalk_model import jpeg

_ROWS, _COLUMNS = np.mgrid[:24, :17]
PIXELS = np.stack([_ROWS * 10, _COLUMNS * 15, _ROWS + _COLUMNS], axis=-1).astype(np.uint8)
SHAPE = PIXELS.shape
FILE = simplejpeg.encode_jpeg(PIXELS, quality=95, colorsubsampling="444")


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def test_colour_and_greyscale_become_each_other() -> None:
    """Greyscale of colour is the luminance that the file holds."""
    assert np.abs(jpeg.decode(FILE, SHAPE).astype(int) - PIXELS).max() < 12
    luminance = PIXELS @ np.array([0.299, 0.587, 0.114])
    grey = jpeg.decode(FILE, (*SHAPE[:2], 1))
    assert np.abs(grey[:, :, 0] - luminance).max() < 6
    again = simplejpeg.encode_jpeg(grey, colorspace="GRAY", colorsubsampling="Gray")
    assert np.ptp(jpeg.decode(again, SHAPE), axis=-1).max() == 0


def test_a_picture_comes_as_it_is_stored() -> None:
    """A camera that was held upright says so in EXIF (orientation 6), which no decoder of TensorFlow reads either."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    turned = FILE[:2] + segment(0xE1, exif) + FILE[2:]
    assert np.array_equal(jpeg.decode(turned, SHAPE), jpeg.decode(FILE, SHAPE))


def test_every_truncation_is_an_error() -> None:
    """Other decoders fill the rest with grey."""
    for end in range(len(FILE) - 1):
        with pytest.raises(ValueError, match="the JPEG is damaged"):
            jpeg.decode(FILE[:end], SHAPE)


def test_a_size_that_is_not_asked_for_is_never_unpacked() -> None:
    """65,500 x 65,500 in a kilobyte would be 12 GB."""
    at = FILE.index(b"\xff\xc0") + 5
    huge = FILE[:at] + struct.pack(">HH", 65500, 65500) + FILE[at + 4 :]
    began = time.process_time()
    with pytest.raises(ValueError, match=r"expecting shape \[24, 17, 3\], got a JPEG of \[65500, 65500\]"):
        jpeg.decode(huge, SHAPE)
    assert time.process_time() - began < 0.1


def test_what_is_refused_says_what_to_do() -> None:
    """Colours that no file defines alone, channels that a JPEG has not, scans without end."""
    ink = simplejpeg.encode_jpeg(np.zeros((24, 17, 4), np.uint8), colorspace="CMYK")
    for file, shape, words in (
        (ink, SHAPE, "the JPEG is (CMYK|YCCK), whose colours .* convert it to RGB"),
        (FILE, (24, 17, 4), r"1 or 3 channels, but shape \[24, 17, 4\] is wanted: use a PNG"),
        (FILE, (24, 17), r"1 or 3 channels, but shape \[24, 17\]"),
        (FILE[:-2] + b"\xff\xda" * 100 + FILE[-2:], SHAPE, "more than 100 scans: save it anew"),
        (b"", SHAPE, "the JPEG is damaged"),
    ):
        with pytest.raises(ValueError, match=words):
            jpeg.decode(file, shape)
