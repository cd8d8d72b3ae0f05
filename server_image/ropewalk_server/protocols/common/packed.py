"""Repeated numbers of a protobuf message as arrays, and messages from bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from numpy.typing import NDArray

from ropewalk_server.protocols.common import varints
from ropewalk_server.protocols.common.column_conversion import FLOAT_MAX, beyond
from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.protocols.common.must_offload import LARGE, MANY, MANY_TEXTS, few_on_the_loop

M = TypeVar("M", bound=Message)
_FIXED32, _FIXED64 = 5, 1
"""Wire types of a float and a double that are not packed."""

MOST_VARINT = 10
"""Bytes of a number of 64 bits."""
MOST_SINGLE_BYTES = 50_000
"""Of a message with values that are not packed: each takes 0.6 us of the event loop, and five bytes at least."""

MOST_FIELDS = 10_000
"""Of a large message, with all that stands more than once: inputs, outputs, parameters."""


def parse(kind: type[M], body: bytes) -> M:
    """The message in `body`. Raises BadRequest."""
    if len(body) > LARGE and _has_more_fields(body, MOST_FIELDS):
        raise BadRequest(f"The message of {len(body)} bytes has more than {MOST_FIELDS} fields")
    try:
        return kind.FromString(body)
    except DecodeError:
        raise BadRequest(f"The message of {len(body)} bytes cannot be parsed: it is truncated or another one") from None


def _has_more_fields(body: bytes, most: int) -> bool:
    """Whether the message has more than `most` fields of its own, before it is parsed: two million that are empty take
    0.15 s, in which nothing else runs. Of a malformed one, as far as it can be read."""
    at = count = 0
    try:
        while at < len(body) and count <= most:
            count += 1
            tag, at = varints.read(body, at, MOST_VARINT)
            kind = tag & 7
            if kind == 2:
                length, at = varints.read(body, at, MOST_VARINT)
                at += length
            elif kind == 0:
                _, at = varints.read(body, at, MOST_VARINT)
            else:
                at += {1: 8, 5: 4}.get(kind, 0)
    except IndexError:
        pass
    return count > most


def floats(message: Message, chunks: Sequence[bytes], field: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The values of a `repeated float` or `double` field that our messages declare as bytes, little-endian.

    A view of the bytes where they are packed, as proto3 packs them; a client may send them singly. Raises BadRequest.
    """
    if not chunks:
        single = _FIXED32 if dtype.itemsize == 4 else _FIXED64
        size = message.ByteSize()
        if size > MOST_SINGLE_BYTES:  # before they are told apart
            words = f"{size} bytes without packed values of its type, at most {MOST_SINGLE_BYTES} are read one by one"
            raise BadRequest(f"{words}: send them packed, as proto3 does, in the field of the type")
        unknown = UnknownFieldSet(message)
        fields = [unknown[index] for index in range(len(unknown))]
        found = [one.data for one in fields if one.field_number == field and one.wire_type == single]
        return np.array(found, dtype=f"<u{dtype.itemsize}").view(dtype)
    raw = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if len(raw) % dtype.itemsize:
        raise BadRequest(f"{len(raw)} bytes are no whole number of values of {dtype.itemsize} bytes")
    return np.frombuffer(raw, dtype=dtype)


def matrix(vectors: Sequence[bytes]) -> NDArray[np.float32] | None:
    """float32 [rows, vectors] of little-endian vectors; None where a value is not finite, or their lengths differ.

    The columns of a request of Numbers in one pass: a tensor each would cost ten times as much.
    """
    joined = np.frombuffer(b"".join(vectors), dtype="<f4")
    size = len(vectors[0])
    if not size or size % 4 or any([len(one) != size for one in vectors]) or beyond(joined, FLOAT_MAX):  # noqa: C419
        return None
    return np.ascontiguousarray(joined.reshape(len(vectors), -1).T, dtype=np.float32)


def whole(values: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The values of a field of integers or booleans. Raises BadRequest for one that does not fit, and MustOffload."""
    few_on_the_loop(len(values))
    try:
        if len(values) <= MANY:
            return np.fromiter(values, dtype=dtype, count=len(values))
        found = np.empty(len(values), dtype=dtype)
        for at in range(0, len(values), MANY):  # between any two the interpreter may let another thread run
            part = values[at : at + MANY]
            found[at : at + MANY] = np.fromiter(part, dtype=dtype, count=len(part))
        return found
    except OverflowError:
        limits = np.iinfo(dtype)
        wrong = next(one for one in values if not limits.min <= one <= limits.max)
        raise BadRequest(f"{wrong} does not fit {dtype.name}") from None


def words(values: Sequence[bytes]) -> NDArray[Any]:
    """The values of a field of bytes. Raises MustOffload."""
    few_on_the_loop(len(values), MANY_TEXTS)
    found = np.empty(len(values), dtype=object)
    for at in range(0, len(values), MANY):
        found[at : at + MANY] = values[at : at + MANY]
    return found
