"""PNG for training and serving: every form of the file, the declared channels, and the files that are refused."""

from __future__ import annotations

import time
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from ropewalk_model import pictures, png
from tests.png_files import (
    COLOUR,
    COLOUR_ALPHA,
    COLOURS,
    FORMS,
    GREY_ALPHA,
    PALETTE,
    SIZE,
    chunk,
    file,
    header,
    samples,
    written,
)


def luminance(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """ITU-R BT.601 in 16 bits, rounded."""
    weighed = pixels[:, :, :3].astype(np.int64) @ np.array([19595, 38470, 7471])
    return ((weighed + 0x8000) >> 16).astype(np.uint8)[:, :, None]


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "bits"), FORMS)
def test_every_form_becomes_the_declared_channels(colour: int, bits: int, interlaced: bool) -> None:
    """Grey and colour become each other; an alpha that says something is not dropped."""
    data, pixels = written(colour, bits, interlaced=interlaced)
    grey = luminance(pixels)
    assert np.array_equal(pictures.decode(data, (*SIZE, 4)), pixels)
    assert np.array_equal(pictures.decode(data, (*SIZE, 2)), np.concatenate([grey, pixels[:, :, 3:]], axis=2))
    if colour in (GREY_ALPHA, COLOUR_ALPHA):
        for channels in (1, 3):
            with pytest.raises(ValueError, match="the PNG is transparent: put it on a background, or declare an alpha"):
                pictures.decode(data, (*SIZE, channels))
        return
    assert np.array_equal(pictures.decode(data, (*SIZE, 3)), pixels[:, :, :3])
    assert np.array_equal(pictures.decode(data, (*SIZE, 1)), grey)


def test_an_alpha_that_says_nothing_is_dropped() -> None:
    """Many programs write one to every picture."""
    values = samples(COLOUR_ALPHA, 8)
    values[:, :, 3] = 255
    assert np.array_equal(png.decode(file(values, 8, COLOUR_ALPHA), (*SIZE, 3)), values[:, :, :3])
    values[0, 0, 3] = 254
    with pytest.raises(ValueError, match="transparent"):
        png.decode(file(values, 8, COLOUR_ALPHA), (*SIZE, 3))


def test_colours_of_a_palette_may_be_transparent() -> None:
    """An alpha for the first of them; the others are opaque."""
    values = samples(PALETTE, 8) % 4
    palette, alphas = chunk(b"PLTE", COLOURS[:4].tobytes()), chunk(b"tRNS", bytes((0, 128)))
    data = file(values, 8, PALETTE, palette, alphas)
    found = png.decode(data, (*SIZE, 4))
    assert np.array_equal(found[:, :, :3], COLOURS[values[:, :, 0]])
    assert np.array_equal(found[:, :, 3], np.array([0, 128, 255, 255])[values[:, :, 0]])
    with pytest.raises(ValueError, match="transparent"):
        png.decode(data, (*SIZE, 3))


def test_a_picture_of_another_size_is_never_unpacked() -> None:
    """60,000 x 60,000 of one colour in ten megabytes would be 10 GB; a second header changes nothing."""
    small = samples(COLOUR, 8)
    bomb = header(60_000, 60_000, 8, COLOUR)
    began = time.process_time()
    with pytest.raises(ValueError, match=r"expecting shape \[11, 9, 3\], got a PNG of \[60000, 60000\]"):
        png.decode(file(small, 8, COLOUR, head=bomb), (*SIZE, 3))
    assert np.array_equal(png.decode(file(small, 8, COLOUR, bomb), (*SIZE, 3)), small)
    assert time.process_time() - began < 0.5


def test_chunks_that_make_no_pixels_are_not_unpacked() -> None:
    """A megabyte of zeros in a kilobyte, again and again, as a text and as a colour profile."""
    values = samples(COLOUR, 8)
    zeros = zlib.compress(bytes(1 << 20))
    more = [chunk(b"zTXt", b"a\0\0" + zeros), chunk(b"iCCP", b"a\0\0" + zeros)] * 500
    began = time.process_time()
    assert np.array_equal(png.decode(file(values, 8, COLOUR, *more), (*SIZE, 3)), values)
    assert time.process_time() - began < 0.5
    with pytest.raises(ValueError, match="more than 10000 chunks: save it anew"):
        png.decode(file(values, 8, COLOUR, *([chunk(b"teXt", b"")] * png.MOST_CHUNKS)), (*SIZE, 3))


def test_every_truncation_is_an_error() -> None:
    """As of a JPEG: nothing is guessed."""
    data = file(samples(COLOUR, 8), 8, COLOUR)
    for end in range(len(data)):
        with pytest.raises(ValueError, match="the PNG is damaged" if end >= 8 else "neither a PNG nor a JPEG"):
            pictures.decode(data[:end], (*SIZE, 3))


def test_a_changed_byte_is_an_error() -> None:
    """Every chunk has a checksum."""
    data = file(samples(PALETTE, 8), 8, PALETTE, chunk(b"PLTE", COLOURS.tobytes()))
    for at in range(8, len(data) - 12):
        changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        with pytest.raises(ValueError, match="PNG"):
            png.decode(changed, (*SIZE, 3))


def test_what_is_refused_says_what_to_do() -> None:
    """Among others a colour that means transparent, which a 16-bit file tells by its lower bits."""
    values = samples(COLOUR, 8)
    key = chunk(b"tRNS", bytes(6))
    for data, shape, words in (
        (file(values, 8, COLOUR, key), (*SIZE, 4), "names a transparent colour: save it with an alpha channel"),
        (file(values, 8, COLOUR), (*SIZE, 5), r"1 to 4 channels, but shape \[11, 9, 5\]"),
        (file(values, 8, COLOUR), SIZE, "1 to 4 channels"),
        (file(values, 8, 5), (*SIZE, 3), "the PNG is damaged"),
        (file(samples(PALETTE, 8), 8, PALETTE), (*SIZE, 3), "the PNG is damaged"),
        (file(samples(PALETTE, 8), 8, PALETTE, chunk(b"PLTE", bytes(30))), (*SIZE, 3), "the PNG is damaged"),
        (file(values, 8, COLOUR, head=header(*SIZE, 8, COLOUR)[:-4] + bytes(4)), (*SIZE, 3), "the PNG is damaged"),
        (png.MAGIC, (*SIZE, 3), "the PNG is damaged"),
    ):
        with pytest.raises(ValueError, match=words):
            png.decode(data, shape)
