"""PNG's line filters undone (https://www.w3.org/TR/png-3/#9Filters): in C, or slowly where that was not built."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ropewalk_server import native

_UNFILTER = native.load_unfilter()


def unfilter(lines: NDArray[np.uint8], channels: int) -> NDArray[np.uint8] | None:
    """uint8 [height, 1 + width * channels], filters ahead, to [height, width * channels]; None if there is no such
    filter. `lines` are contiguous."""
    if _UNFILTER is None:
        return by_lines(lines, channels)
    height, stride = lines.shape[0], lines.shape[1] - 1
    pixels = np.empty((height, stride), dtype=np.uint8)
    return pixels if _UNFILTER(lines.ctypes.data, height, stride, channels, pixels.ctypes.data) else None


def by_lines(lines: NDArray[np.uint8], channels: int) -> NDArray[np.uint8] | None:
    """As `unfilter`, without the library."""
    height, stride = lines.shape[0], lines.shape[1] - 1
    pixels = np.zeros((height, stride), dtype=np.uint8)
    above = np.zeros(stride, dtype=np.uint8)
    for index in range(height):
        method, line = int(lines[index, 0]), lines[index, 1:]
        if method == 0:
            above = line
        elif method == 1:
            above = line.reshape(-1, channels).cumsum(axis=0, dtype=np.uint8).reshape(-1)
        elif method == 2:
            above = line + above
        elif method <= 4:
            above = np.array(_sequential(method, line.tolist(), above.tolist(), channels), dtype=np.uint8)
        else:
            return None
        pixels[index] = above
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
