"""Images in base64: PNG (8 bits a channel, not interlaced) or the raw bytes of the declared shape.

A decoder of our own, because an image library weighs more than the server and most decoders will unpack a bomb:
here the header is compared with the declared shape before anything is unpacked, and unpacking stops at that size.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_MAGIC = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Channels by colour type (https://www.w3.org/TR/png-3/#table111); 3 is a palette, which is refused."""


class InvalidImage(ValueError):
    """Why the bytes are not an image of the declared shape."""


def decode_image(data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 of `shape` = (height, width, channels). Raises InvalidImage."""
    size = int(np.prod(shape))
    if not data.startswith(_MAGIC):
        if len(data) == size:
            return np.frombuffer(data, dtype=np.uint8).reshape(shape)
        if data.startswith(b"\xff\xd8\xff"):
            raise InvalidImage("JPEG is not supported, send PNG or raw bytes")
        raise InvalidImage(f"neither a PNG nor {size} raw bytes (shape {list(shape)}), but {len(data)} bytes")
    try:
        return _png(data, shape)
    except (struct.error, zlib.error, IndexError):
        raise InvalidImage("the PNG is damaged") from None


def _png(data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
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
        raise InvalidImage("the PNG has no header")
    width, height, depth, colour, _, _, interlaced = header
    if depth != 8 or colour not in _CHANNELS or interlaced:
        raise InvalidImage("only PNG with 8 bits a channel, without palette and interlacing, is supported")
    channels = _CHANNELS[colour]
    if (height, width, channels) != shape:
        raise InvalidImage(f"expecting shape {list(shape)}, got a PNG of {[height, width, channels]}")
    stride = width * channels
    wanted = height * (stride + 1)
    lines = zlib.decompressobj().decompress(bytes(packed), wanted)
    if len(lines) != wanted:
        raise InvalidImage("the PNG is damaged")
    return _unfilter(np.frombuffer(lines, dtype=np.uint8).reshape(height, stride + 1), channels).reshape(shape)


def _unfilter(lines: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Undo the line filters (https://www.w3.org/TR/png-3/#9Filters)."""
    height, stride = lines.shape[0], lines.shape[1] - 1
    pixels = np.zeros((height, stride), dtype=np.uint8)
    above = np.zeros(stride, dtype=np.uint8)
    for index in range(height):
        method, line = int(lines[index, 0]), lines[index, 1:]
        if method == 0:
            pixels[index] = line
        elif method == 1:
            steps = line.reshape(-1, channels).astype(np.uint64).cumsum(axis=0)
            pixels[index] = steps.astype(np.uint8).reshape(-1)
        elif method == 2:
            pixels[index] = line + above
        elif method in (3, 4):
            pixels[index] = _sequential(method, line.tolist(), above.tolist(), channels)
        else:
            raise InvalidImage("the PNG is damaged")
        above = pixels[index]
    return pixels


def _sequential(method: int, line: list[int], above: list[int], channels: int) -> list[int]:
    """Average and Paeth: each value depends on the one before it."""
    out: list[int] = []
    for index, value in enumerate(line):
        left = out[index - channels] if index >= channels else 0
        up = above[index]
        if method == 3:
            guess = (left + up) // 2
        else:
            corner = above[index - channels] if index >= channels else 0
            estimate = left + up - corner
            distances = (abs(estimate - left), abs(estimate - up), abs(estimate - corner))
            guess = (left, up, corner)[distances.index(min(distances))]
        out.append((value + guess) & 255)
    return out
