"""PNG to pixels of the declared channels, by Pillow, once for training and serving.

Every form of the file is taken: palettes, 1 to 16 bits a channel, interlacing. The declared channels decide, and what
would lose meaning is refused:

    grey to colour     the grey in all three channels
    colour to grey     its luminance (ITU-R BT.601), as JPEG stores it
    no alpha to alpha  opaque
    alpha to none      refused, unless every pixel is opaque: the background is not known
    transparent colour refused: it is an alpha that is told by a value, before the bits are cut
    16 bits to 8       the high byte, as TensorFlow's decoder takes it

Colour profiles and gamma are not applied, as TensorFlow does not. Of an animation the first picture is taken.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

MAGIC = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS = 10_000
"""Encoders write one for 8 KiB or more of a picture; each takes some microseconds."""
_COLOURS = frozenset((b"PLTE", b"tRNS"))
"""Chunks that make pixels, beside the header and the lines. Pillow would unpack texts and profiles of others, and take
the size of a second header."""
_CHUNK = struct.Struct(">I4s")
_HEADER = struct.Struct(">4sIIBBBBB")
"""IHDR: kind, width, height, bits, colour, compression, filter, interlacing."""
_BLOCK = struct.Struct("<BHH")
_MOST_STORED = 0xFFFF
_CHECKSUM = struct.Struct(">I")
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Values of a pixel by colour type (https://www.w3.org/TR/png-3/#table111)."""
_WHOLE = ((0, 0, 1, 1),)
_PASSES = (
    (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
)  # fmt: skip
"""First row and column of each pass of an interlaced picture, and their steps
(https://www.w3.org/TR/png-3/#8InterlaceMethods)."""
_MODES: dict[tuple[int, ...], str] = {(1,): "L", (2,): "LA", (3,): "RGB", (4,): "RGBA"}
_DAMAGED = "the PNG is damaged"


def load() -> None:
    """Import Pillow, which takes 0.1 s, before a request needs it."""
    import PIL.PngImagePlugin  # noqa: F401


def decode(data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 [height, width, channels] of the shape that is asked for; nothing else is ever unpacked.

    Raises ValueError with words for a user: damaged and truncated files among others, of which nothing is guessed.
    """
    mode = _MODES.get(shape[2:])
    if mode is None:
        raise ValueError(f"a PNG becomes 1 to 4 channels, but shape {list(shape)} is wanted")
    found = _converted(_opened(_pixels_only(data, shape)), mode)
    return np.asarray(found).reshape(shape)


def _pixels_only(data: bytes, shape: tuple[int, ...]) -> bytes:
    """The file with nothing but its pixels, whose header has this height and width. Raises ValueError.

    The lines are unpacked here, up to the bytes that they are: Pillow fills up what is missing with zeros.
    """
    kept, packed = [MAGIC], []
    size = 0
    at = len(MAGIC)
    for _ in range(MOST_CHUNKS):
        try:
            length, kind = _CHUNK.unpack_from(data, at)
            body = data[at + 4 : at + 8 + length]
            (checksum,) = _CHECKSUM.unpack_from(data, at + 8 + length)
        except struct.error:
            raise ValueError(_DAMAGED) from None
        if zlib.crc32(body) != checksum:
            raise ValueError(_DAMAGED)
        if at == len(MAGIC):
            size = _lines_size(body, shape)
            kept.append(data[at : at + 12 + length])
        elif kind == b"IDAT":
            packed.append(body[4:])
        elif kind in _COLOURS:
            kept.append(data[at : at + 12 + length])
        elif kind == b"IEND":
            return b"".join((*kept, _chunk(b"IDAT", _stored(_unpacked(b"".join(packed), size))), _END))
        at += 12 + length
    raise ValueError(f"the PNG has more than {MOST_CHUNKS} chunks: save it anew")


def _lines_size(body: bytes, shape: tuple[int, ...]) -> int:
    """Bytes of the lines, by the header and after its size was compared with the shape. Raises ValueError."""
    if len(body) != _HEADER.size:
        raise ValueError(_DAMAGED)
    kind, width, height, bits, colour, _, _, interlaced = _HEADER.unpack(body)
    if kind != b"IHDR" or colour not in _SAMPLES:
        raise ValueError(_DAMAGED)
    if (height, width) != shape[:2]:
        raise ValueError(f"expecting shape {list(shape)}, got a PNG of {[height, width]}")
    size = 0
    for top, left, down, right in _PASSES if interlaced else _WHOLE:
        rows, columns = -(-(height - top) // down), -(-(width - left) // right)
        if rows > 0 and columns > 0:
            size += rows * (1 + -(-columns * bits * _SAMPLES[colour] // 8))
    return size


def _unpacked(packed: bytes, size: int) -> bytes:
    try:
        lines = zlib.decompressobj().decompress(packed, size)
    except zlib.error:
        raise ValueError(_DAMAGED) from None
    if len(lines) != size:
        raise ValueError(_DAMAGED)
    return lines


def _stored(data: bytes) -> bytes:
    """A zlib stream of the data as it is (RFC 1951, 3.2.4)."""
    parts = [b"\x78\x01"]
    for at in range(0, len(data), _MOST_STORED):
        part = data[at : at + _MOST_STORED]
        parts += (_BLOCK.pack(at + _MOST_STORED >= len(data), len(part), len(part) ^ 0xFFFF), part)
    return b"".join((*parts, _CHECKSUM.pack(zlib.adler32(data))))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return _CHUNK.pack(len(body), kind) + body + _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(kind)))


_END = _chunk(b"IEND", b"")


def _opened(data: bytes) -> Image:
    """The picture in one of the modes L, LA, RGB and RGBA, 8 bits a channel. Raises ValueError."""
    from PIL.Image import fromarray
    from PIL.PngImagePlugin import PngImageFile

    try:
        image: Image = PngImageFile(io.BytesIO(data))
        palette = image.palette
        image.load()
    except (OSError, SyntaxError, ValueError, IndexError, struct.error, zlib.error):
        raise ValueError(_DAMAGED) from None
    key = image.info.get("transparency")
    if key is not None and image.mode != "P":
        raise ValueError("the PNG names a transparent colour: save it with an alpha channel, or without transparency")
    if image.mode == "I;16":
        return fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "P":
        if palette is None or int(np.asarray(image).max()) >= len(palette.palette) // 3:
            raise ValueError(_DAMAGED)
        return image.convert("RGB" if key is None else "RGBA")
    return image.convert("L") if image.mode == "1" else image


def _converted(image: Image, mode: str) -> Image:
    """The picture in the mode of the declared channels. Raises ValueError."""
    if image.mode.endswith("A") and not mode.endswith("A") and image.getchannel("A").getextrema() != (255, 255):
        raise ValueError("the PNG is transparent: put it on a background, or declare an alpha channel")
    return image if image.mode == mode else image.convert(mode)
