"""Requests of one turn of the event loop, in TensorFlow Serving's row form, as one batch; all others are read alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ropewalk_server.protocols.common.jsonbody import BadRequest, parse_object
from ropewalk_server.protocols.common.must_offload import MustOffload
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.decoders import RequestDecoder

ROWS = "instances"
MOST_BYTES = 256 * 1024
"""Of bodies that are parsed at a time: as objects they are thirty times as large."""


class Read(NamedTuple):
    """The rows of the first `len(counts)` requests, and how many each has; 0: it must be read alone."""

    batch: Batch | None
    counts: Sequence[int]


def read(decoder: RequestDecoder, bodies: Sequence[bytes], most_each: int, most: int) -> Read:
    """As many requests as have at most `most` rows and MOST_BYTES together, at least one; none of them more than
    `most_each` rows."""
    bodies = _some(bodies, most)
    if decoder.row_reader is not None:
        matrix, sizes = decoder.row_reader.read_together(bodies, most_each, most)
        return Read(decoder.batch_of(matrix) if len(matrix) else None, sizes)
    found: list[list[Any]] = []
    rows = 0
    for body in bodies:
        own = _rows(body, most_each)
        if rows + len(own) > most:
            if rows:
                break
            own = []
        rows += len(own)
        found.append(own)
    try:
        batch = _batch(decoder, found)
        if batch is None:  # the rows of some are wrong, and theirs alone are left out
            found = [own if _batch(decoder, [own]) is not None else [] for own in found]
            batch = _batch(decoder, found)
    except MustOffload:
        if len(found) > 1:
            return read(decoder, bodies[: len(found) // 2], most_each, most)
        batch = None
    return Read(batch, [0 if batch is None else len(own) for own in found])


def _some(bodies: Sequence[bytes], most: int) -> Sequence[bytes]:
    """The first of them: no more than may have a row each, and not too much to be parsed at a time."""
    size = 0
    for index, body in enumerate(bodies[:most]):
        size += len(body)
        if size > MOST_BYTES and index:
            return bodies[:index]
    return bodies[:most]


def _rows(body: bytes, most: int) -> list[Any]:
    try:
        document = parse_object(body)
    except BadRequest:
        return []
    rows = document.get(ROWS)
    return rows if len(document) == 1 and type(rows) is list and len(rows) <= most else []


def _batch(decoder: RequestDecoder, found: Sequence[list[Any]]) -> Batch | None:
    """None where there are no rows, or some are wrong. Raises MustOffload."""
    rows = [row for own in found for row in own]
    try:
        return decoder.decode({ROWS: rows}, None)[0] if rows else None
    except BadRequest:
        return None
