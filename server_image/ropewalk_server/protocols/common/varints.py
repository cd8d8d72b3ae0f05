"""Varints: base 128, the lowest seven bits first (https://protobuf.dev/programming-guides/encoding/#varints)."""

from __future__ import annotations


def read(data: bytes, at: int, most: int) -> tuple[int, int]:
    """The number that begins at `at`, and its end. Raises IndexError where it has more than `most` bytes, or data
    ends within it."""
    value = 0
    for shift in range(0, 7 * most, 7):
        octet = data[at]
        at += 1
        value |= (octet & 127) << shift
        if octet < 128:
            return value, at
    raise IndexError


def read_many(data: bytes, count: int, most: int) -> tuple[list[int], int]:
    """The first `count` numbers, and the end of the last. Raises IndexError as `read` does."""
    at = 0
    found = []
    for _ in range(count):
        value = data[at]
        if value < 128:
            at += 1
        else:
            value, at = read(data, at, most)
        found.append(value)
    return found, at
