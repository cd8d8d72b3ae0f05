"""PNG's line filters undone (https://www.w3.org/TR/png-3/#9Filters), for many images of one size at a time.

Average and Paeth take a value from its left, upper and upper left neighbours, so neither lines nor columns can be
computed at once; but all values of an anti-diagonal can, and those of all images with them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEP, _LINE, _VALUE = 15.0, 2.0, 0.25
"""Microseconds of an anti-diagonal, of a line taken singly, and of one of its values in Average or Paeth."""


def unfilter(lines: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """uint8 [images, height, 1 + width * channels], filters from 0 to 4 ahead, to [images, height, width, channels]."""
    images, height, stride = lines.shape[0], lines.shape[1], lines.shape[2] - 1
    width = stride // channels
    singly = images * height * _LINE + int((lines[:, :, 0] > 2).sum()) * stride * _VALUE
    if singly > (height + width) * _STEP:
        return by_diagonals(lines, channels)
    return by_lines(lines, channels)


def by_diagonals(lines: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """As `unfilter`; quick for many values."""
    images, height, width = lines.shape[0], lines.shape[1], (lines.shape[2] - 1) // channels
    # A line and a column of zeros ahead: what lies outside the image counts as zero.
    pixels = np.zeros((height + 1, width + 1, images, channels), dtype=np.int16)
    pixels[1:, 1:] = lines[:, :, 1:].reshape(images, height, width, channels).transpose(1, 2, 0, 3)
    flat = pixels.reshape((height + 1) * (width + 1), images * channels)
    filters = np.repeat(lines[:, :, 0].T, channels, axis=1)
    for diagonal in range(height + width - 1):
        first, last = max(0, diagonal - width + 1), min(height - 1, diagonal)
        begin = (first + 1) * (width + 1) + diagonal - first + 1
        end = begin + (last - first) * width + 1
        left, up, corner = (flat[begin - by : end - by : width] for by in (1, width + 1, width + 2))
        flat[begin:end:width] += _guess(filters[first : last + 1], left, up, corner)
        flat[begin:end:width] &= 255
    return pixels[1:, 1:].transpose(2, 0, 1, 3).astype(np.uint8)


def _guess(
    filters: NDArray[np.uint8], left: NDArray[np.int16], up: NDArray[np.int16], corner: NDArray[np.int16]
) -> NDArray[np.int16]:
    across, down = up - corner, left - corner
    to_left, to_up, to_corner = np.abs(across), np.abs(down), np.abs(across + down)
    paeth = np.where(to_up <= to_corner, up, corner)
    paeth = np.where((to_left <= to_up) & (to_left <= to_corner), left, paeth)
    late = np.where(filters == 4, paeth, (left + up) >> 1)
    early = np.where(filters == 2, up, left * (filters == 1))
    return np.where(filters > 2, late, early)


def by_lines(lines: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """As `unfilter`; quick for a small image, or one without Average and Paeth."""
    images, height, stride = lines.shape[0], lines.shape[1], lines.shape[2] - 1
    pixels = np.zeros((images, height, stride), dtype=np.uint8)
    for image in range(images):
        above = np.zeros(stride, dtype=np.uint8)
        for index in range(height):
            method, line = int(lines[image, index, 0]), lines[image, index, 1:]
            if method == 0:
                above = line
            elif method == 1:
                above = line.reshape(-1, channels).cumsum(axis=0, dtype=np.uint8).reshape(-1)
            elif method == 2:
                above = line + above
            else:
                above = np.array(_sequential(method, line.tolist(), above.tolist(), channels), dtype=np.uint8)
            pixels[image, index] = above
    return pixels.reshape(images, height, -1, channels)


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
