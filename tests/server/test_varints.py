"""Varints: values of every length, and bounds on the bytes of one."""

from __future__ import annotations

import pytest
from google.protobuf.internal.encoder import _VarintBytes

from ropewalk_server.protocols.common import varints

VALUES = [0, 1, 127, 128, 300, 2**14 - 1, 2**14, 2**28, 2**35 - 1, 2**63, 2**64 - 1]


def test_numbers_are_read_as_protobuf_writes_them() -> None:
    """One after the other, and all at once."""
    data = b"".join(map(_VarintBytes, VALUES))
    at, found = 0, []
    for _ in VALUES:
        value, at = varints.read(data, at, 10)
        found.append(value)
    assert (found, at) == (VALUES, len(data))
    assert varints.read_many(data, len(VALUES), 10) == (VALUES, len(data))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 5 + b"\x01"], ids=["empty", "cut", "long"])
def test_a_number_that_does_not_end_is_an_error(data: bytes) -> None:
    """Five bytes are the bound here."""
    with pytest.raises(IndexError):
        varints.read(data, 0, 5)
    with pytest.raises(IndexError):
        varints.read_many(data, 1, 5)
