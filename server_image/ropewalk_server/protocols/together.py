"""Requests of one turn in TensorFlow Serving's row form as one batch, and the rows of its answer as their bodies.

What comes out for a request is what it would be alone, to the byte; what cannot be read so is left to be read alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from ropewalk_model.signature import Signature
from ropewalk_server.protocols.batch import Batch
from ropewalk_server.protocols.decode import Decoder
from ropewalk_server.protocols.images import Costly
from ropewalk_server.protocols.jsonbody import BadRequest, parse_object

ROWS = "instances"
_NUMPY = orjson.OPT_SERIALIZE_NUMPY


class Read(NamedTuple):
    """The rows of the first `len(counts)` requests, and how many each has; 0: it must be read alone."""

    batch: Batch | None
    counts: Sequence[int]


def read(decoder: Decoder, bodies: Sequence[bytes], most_each: int, most: int) -> Read:
    """As many requests as have at most `most` rows together, at least one; none of them more than `most_each`."""
    if decoder.row_reader is not None:
        matrix, sizes = decoder.row_reader.read_together(bodies, most_each, most)
        return Read(decoder.batch_of(matrix) if len(matrix) else None, sizes)
    found: list[Any] = []
    counts: list[int] = []
    for body in bodies:
        own = _rows(body, most_each)
        if len(found) + len(own) > most:
            if found:
                break
            own = []
        counts.append(len(own))
        found += own
    batch = _batch(decoder, found) if found else None
    return Read(batch, counts if batch is not None else [0] * len(counts))


def _rows(body: bytes, most: int) -> list[Any]:
    try:
        document = parse_object(body)
    except BadRequest:
        return []
    rows = document.get(ROWS)
    return rows if len(document) == 1 and type(rows) is list and len(rows) <= most else []


def _batch(decoder: Decoder, rows: list[Any]) -> Batch | None:
    try:
        batch, _ = decoder.decode({ROWS: rows}, None)
    except (BadRequest, Costly):
        return None
    return batch


def write(signature: Signature, core: NDArray[np.float32], counts: Sequence[int]) -> list[bytes] | None:
    """`{"predictions": [...]}` for each request that has rows; None where a value is not finite."""
    if not np.isfinite(core).all():
        return None
    if len(core) == len(counts):
        return [b'{"predictions":[%b]}' % row for row in row_texts(signature, core)]
    ends = list(accumulate(counts))
    spans = zip((end - count for end, count in zip(ends, counts, strict=True)), ends, strict=True)
    if signature.task == "Tensor":
        return [orjson.dumps({"predictions": core[start:end]}, option=_NUMPY) for start, end in spans]
    rows = row_texts(signature, core)
    return [b'{"predictions":[%b]}' % b",".join(rows[start:end]) for start, end in spans]


def row_texts(signature: Signature, core: NDArray[np.float32]) -> list[bytes]:
    """The JSON of each row of an answer; all values are finite."""
    if signature.task == "Regression":
        return orjson.dumps(core.reshape(-1), option=_NUMPY)[1:-1].split(b",")
    vectors = orjson.dumps(core, option=_NUMPY)[2:-2].split(b"],[")
    if signature.task == "Tensor":
        return [b"[%b]" % vector for vector in vectors]
    best = core.argmax(axis=1)
    scores = orjson.dumps(core[np.arange(len(core)), best], option=_NUMPY)[1:-1].split(b",")
    labels = [b'{"label":%b,"score":' % orjson.dumps(label) for label in signature.classes]
    return [
        b'%b%b,"probabilities":[%b]}' % (labels[index], score, vector)
        for index, score, vector in zip(best.tolist(), scores, vectors, strict=True)
    ]
