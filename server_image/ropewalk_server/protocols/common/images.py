"""Images in base64: PNG (8 bits a channel, not interlaced), JPEG, or the raw bytes of the declared shape.

PNG has a decoder of our own and JPEG the trainer's (designs/0016). For both the header is compared with the declared
shape before anything is unpacked, and unpacking stops at that size.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import jpeg
from ropewalk_server.protocols.common.must_offload import MustOffload, on_event_loop
from ropewalk_server.protocols.common.unfilter import unfilter

_MAGIC = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Channels by colour type (https://www.w3.org/TR/png-3/#table111); 3 is a palette, which is refused."""
AT_ONCE = 64 * 1024
"""Bytes of PNG and JPEG files and their pixels that an event loop may unpack: about half a millisecond."""


class InvalidImage(ValueError):
    """Why the bytes are not an image of the declared shape; `row` counts from 0."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


def decode_images(files: Sequence[bytes], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 [files, *shape], shape = (height, width, channels). Raises InvalidImage, and Costly on an event loop."""
    size = math.prod(shape)
    costly = sum(len(data) + size for data in files if data.startswith((_MAGIC, jpeg.MAGIC)))
    if costly > AT_ONCE and on_event_loop():
        raise MustOffload
    found = np.empty((len(files), *shape), dtype=np.uint8)
    for row, data in enumerate(files):
        if data.startswith(_MAGIC):
            found[row] = _from_png(row, data, shape)
        elif len(data) == size and not jpeg.fits(data, shape):  # pixels may begin as a JPEG, but not with its header
            found[row] = np.frombuffer(data, dtype=np.uint8).reshape(shape)
        elif data.startswith(jpeg.MAGIC):
            found[row] = _from_jpeg(row, data, shape)
        else:
            wanted = f"{size} raw bytes (shape {list(shape)})"
            raise InvalidImage(row, f"neither a PNG, a JPEG nor {wanted}, but {len(data)} bytes")
    return found


def _from_jpeg(row: int, data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        return jpeg.decode(data, shape)
    except ValueError as error:
        raise InvalidImage(row, str(error)) from None


def _from_png(row: int, data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        lines = np.frombuffer(_unpacked(row, data, shape), dtype=np.uint8).reshape(shape[0], -1)
    except (struct.error, zlib.error):
        raise InvalidImage(row, "the PNG is damaged") from None
    pixels = unfilter(lines, shape[2])
    if pixels is None:
        raise InvalidImage(row, "the PNG is damaged")
    return pixels.reshape(shape)


def _unpacked(row: int, data: bytes, shape: tuple[int, ...]) -> bytes:
    """The filtered lines, each with its filter's number ahead."""
    packed = bytearray()
    position = len(_MAGIC)
    header: tuple[int, ...] | None = None
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        position += 12 + length
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        elif kind == b"IEND":
            break
    if header is None:
        raise InvalidImage(row, "the PNG has no header")
    width, height, depth, colour, _, _, interlaced = header
    if depth != 8 or colour not in _CHANNELS or interlaced:
        raise InvalidImage(row, "only PNG with 8 bits a channel, without palette and interlacing, is supported")
    channels = _CHANNELS[colour]
    if (height, width, channels) != shape:
        raise InvalidImage(row, f"expecting shape {list(shape)}, got a PNG of {[height, width, channels]}")
    wanted = height * (width * channels + 1)
    lines = zlib.decompressobj().decompress(bytes(packed), wanted)
    if len(lines) != wanted:
        raise InvalidImage(row, "the PNG is damaged")
    return lines
