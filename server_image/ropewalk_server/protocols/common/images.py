"""Images in base64: PNG, JPEG, or the raw bytes of the declared shape.

Files are decoded as the trainer does it (designs/0016): the header is compared with the declared shape before anything
is unpacked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import jpeg, pictures, png
from ropewalk_server.protocols.common.must_offload import MustOffload, on_event_loop

AT_ONCE = 64 * 1024
"""Bytes of PNG and JPEG files and their pixels that an event loop may unpack: about half a millisecond."""
OPENING = 4 * 1024
"""Bytes that take as long as opening a PNG, 40 us."""


class InvalidImage(ValueError):
    """Why the bytes are not an image of the declared shape; `row` counts from 0."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


def decode_images(files: Sequence[bytes], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 [files, *shape], shape = (height, width, channels). Raises InvalidImage; MustOffload on an event loop."""
    size = math.prod(shape)
    costly = sum(len(data) + size + OPENING for data in files if data.startswith(pictures.MAGICS))
    if costly > AT_ONCE and on_event_loop():
        raise MustOffload
    found = np.empty((len(files), *shape), dtype=np.uint8)
    for row, data in enumerate(files):
        if len(data) == size and not data.startswith(png.MAGIC) and not jpeg.fits(data, shape):
            # Pixels may begin as a JPEG, but not with its header.
            found[row] = np.frombuffer(data, dtype=np.uint8).reshape(shape)
        elif data.startswith(pictures.MAGICS):
            try:
                found[row] = pictures.decode(data, shape)
            except ValueError as error:
                raise InvalidImage(row, str(error)) from None
        else:
            wanted = f"{size} raw bytes (shape {list(shape)})"
            raise InvalidImage(row, f"neither a PNG, a JPEG nor {wanted}, but {len(data)} bytes")
    return found
