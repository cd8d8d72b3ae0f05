"""PNG files of every form, written from their samples (https://www.w3.org/TR/png-3/)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import png

GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
SAMPLES = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
FORMS = [
    *((GREY, bits) for bits in (1, 2, 4, 8, 16)),
    *((PALETTE, bits) for bits in (1, 2, 4, 8)),
    *((kind, bits) for kind in (COLOUR, GREY_ALPHA, COLOUR_ALPHA) for bits in (8, 16)),
]
PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
"""First row and column, and their steps (https://www.w3.org/TR/png-3/#8InterlaceMethods)."""
SIZE = (11, 9)
COLOURS = np.random.default_rng(3).integers(0, 256, (256, 3)).astype(np.uint8)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(height: int, width: int, bits: int, colour: int, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))


def lines(values: NDArray[np.uint16], bits: int) -> Iterator[bytes]:
    """Each row of [height, width, samples], unfiltered."""
    for row in values:
        if bits == 16:
            yield b"\0" + row.astype(">u2").tobytes()
        else:
            each = np.unpackbits(row.reshape(-1, 1).astype(np.uint8), axis=1)[:, 8 - bits :]
            yield b"\0" + np.packbits(each.reshape(-1)).tobytes()


def file(
    values: NDArray[np.uint16], bits: int, colour: int, *more: bytes, interlaced: bool = False, head: bytes = b""
) -> bytes:
    """A PNG of these samples [height, width, samples]; `more` are chunks before the pixels."""
    parts = [values[y::down, x::right] for y, x, down, right in PASSES] if interlaced else [values]
    packed = zlib.compress(b"".join([line for part in parts if part.size for line in lines(part, bits)]))
    head = head or header(*values.shape[:2], bits, colour, interlaced)
    return png.MAGIC + head + b"".join(more) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def samples(colour: int, bits: int) -> NDArray[np.uint16]:
    return np.random.default_rng(5).integers(0, 1 << bits, (*SIZE, SAMPLES[colour])).astype(np.uint16)


def written(colour: int, bits: int, *, interlaced: bool) -> tuple[bytes, NDArray[np.uint8]]:
    """A file, and its pixels as colour and alpha, uint8 [height, width, 4]."""
    values = samples(colour, bits)
    data = file(
        values, bits, colour, *([chunk(b"PLTE", COLOURS.tobytes())] * (colour == PALETTE)), interlaced=interlaced
    )
    if colour == PALETTE:
        values = COLOURS[values[:, :, 0]].astype(np.uint16)
    else:
        values = values >> 8 if bits == 16 else values * (255 // ((1 << bits) - 1))
    if values.shape[2] < 3:
        values = np.concatenate([*([values[:, :, :1]] * 3), values[:, :, 1:]], axis=2)
    alpha = values[:, :, 3:] if values.shape[2] == 4 else np.full((*SIZE, 1), 255)
    return data, np.concatenate([values[:, :, :3], alpha], axis=2).astype(np.uint8)
