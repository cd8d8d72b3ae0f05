"""Header blocks of one HTTP/2 connection: decoded by hpack, and remembered while they mean the same."""

from __future__ import annotations

from collections.abc import Callable, Collection

import hpack
from hpack.table import HeaderTable

from ropewalk_server.transport.http2.frames import ConnectionFault, Fault, read_head
from ropewalk_server.transport.http2.rpc import Head

_REMEMBERED = 64
_REMEMBERED_BYTES = 1024
_RESIZED = frozenset(bytes([0x20 | size]) for size in range(0x20))
"""The first byte of a header block that changes its table's size (RFC 7541, 6.3)."""


class _Table(HeaderTable):
    """A header table that counts its changes."""

    changes = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.changes += 1
        super().add(name, value)


class Heads:
    """The decoder of a connection's blocks, which have to come to it in their order; `rejected` hears of too long ones.

    A block means the same again until the table changes: until then what it said is `known`.
    """

    __slots__ = ("_decoder", "_keep", "_rejected", "_table", "known")

    def __init__(self, max_bytes: int, rejected: Callable[[str], None], keep: Collection[bytes] = ()) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=max_bytes)
        self._table = self._decoder.header_table = _Table()
        self._rejected = rejected
        self._keep = keep
        self.known: dict[bytes, Head] = {}

    def decode(self, block: bytes) -> Head | None:
        """The head in a block, None if it is none of a call. Raises ConnectionFault."""
        before = self._table.changes
        try:
            head = read_head(self._decoder.decode(block, raw=True), self._keep)
        except hpack.OversizedHeaderListError:
            self._rejected("header_bytes")
            raise ConnectionFault(Fault.CALM, "The headers are too large") from None
        except (hpack.HPACKError, IndexError, TypeError, ValueError):
            raise ConnectionFault(Fault.COMPRESSION, "The headers cannot be decoded") from None
        if self._table.changes != before or block[:1] in _RESIZED or len(self.known) >= _REMEMBERED:
            self.known.clear()
        elif head is not None and len(block) <= _REMEMBERED_BYTES:
            self.known[block] = head
        return head
