"""Receipts: signed ids of predictions, by which any replica can count a label for the version that answered.

There are some only where a key is mounted (`/ropewalk/feedback/key`, of `spec.monitor.feedback`): without one anybody
could make them up; and only for classes: no label of a value or a tensor is counted. An answer of at most 100 rows has
its id in the header `ropewalk-prediction-id` (over gRPC in the metadata; in the Open Inference Protocol among the
parameters as well); row i of it is `<id>.<i>`, the bare id row 0. A request with the header (or metadata)
`ropewalk-receipts: body` gets one receipt a row instead, of any number of rows, as the field, or the output of strings,
`receipts`.

Format 1, base64url without padding of, big-endian:
    format       u8   = 1
    flags        u8   bit 0: 1; bit 1: classes are two bytes wide
    version      u32
    digest       8 bytes, the first of the manifest's sha256
    time         u32  seconds since the epoch
    nonce        6 bytes: one for every process, then a counter
    count        u8   rows
    predictions  count * (1 or 2) bytes
    mac          16 bytes: HMAC-SHA256 with the deployment's key over all before, cut to 16
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ropewalk_server.serving.types import Issued

RECEIPT = b"ropewalk-prediction-id"
"""The header of an answer that bears its id."""
REQUEST, BODY = b"ropewalk-receipts", b"body"
"""The header with which a client asks for a receipt a row, and its value."""
FIELD = "receipts"
MAX_ROWS = 100
"""A larger answer has no id in its head: clients and proxies allow a header 4 to 8 KiB, and this is at most 600."""
TOGETHER = 16
"""Rows that share an id where there is one receipt a row: each alone would take four times as long to sign, many
together make every receipt longer."""
MAX_AGE_SECONDS = 30 * 86400
_HEAD = struct.Struct(">BBI8sI6sB")
_SIGNED, _WIDE = 1, 2
_REMEMBERED = 200_000


class InvalidReceipt(ValueError):
    """Why an id is not accepted, in words for the client."""


@dataclass(frozen=True)
class Receipt:
    """One row's prediction: a class index."""

    version: int
    digest: bytes
    time: int
    row: int
    predicted: int


class Receipts:
    """Issues and reads receipts with one key, and remembers which rows were labelled already (in this pod). Without a
    key there are none."""

    def __init__(self, key: bytes | None, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._former_key: bytes | None = None
        self._clock = clock
        self._process = os.urandom(3)
        self._next = int.from_bytes(os.urandom(3), "big")
        self._labelled: OrderedDict[bytes, None] = OrderedDict()

    def renew(self, key: bytes | None) -> None:
        """Sign with this key from now on; ids that the one before it signed are still read."""
        if key is not None and key != self._key:
            self._former_key, self._key = self._key, key

    @property
    def issued(self) -> bool:
        """Whether there is a key."""
        return self._key is not None

    def issue(
        self, version: int, digest: bytes, core: NDArray[np.float32], classes: int, *, each: bool = False
    ) -> Issued:
        """The receipts of an answer; `each`: one a row. `digest` is the manifest's, 32 bytes."""
        rows = len(core)
        if self._key is None or not classes or (rows > MAX_ROWS and not each):
            return None
        flags = _SIGNED
        if rows == 1 and classes <= 256:
            predictions = bytes((int(core.argmax()),))
        else:
            wide = classes > 256
            flags |= _WIDE if wide else 0
            predictions = core.argmax(axis=1).astype(">u2" if wide else "u1").tobytes()
        head = version, digest[:8], int(self._clock())
        if not each:
            return self._signed(self._key, flags, head, rows, predictions)
        receipts: list[str] = []
        size = TOGETHER * (len(predictions) // rows)
        for at in range(0, len(predictions), size):
            count = min(TOGETHER, rows - len(receipts))
            ident = self._signed(self._key, flags, head, count, predictions[at : at + size]).decode()
            receipts += [f"{ident}.{row}" for row in range(count)]
        return receipts

    def _signed(self, key: bytes, flags: int, head: tuple[int, bytes, int], rows: int, predictions: bytes) -> bytes:
        self._next = (self._next + 1) & 0xFFFFFF
        nonce = self._process + self._next.to_bytes(3, "big")
        body = _HEAD.pack(1, flags, *head, nonce, rows) + predictions
        return _text(body + mac(key, body))

    def _is_ours(self, body: bytes, given: bytes) -> bool:
        keys = [key for key in (self._key, self._former_key) if key is not None]
        return any([hmac.compare_digest(given, mac(key, body)) for key in keys])  # noqa: C419  (the same time)

    def read(self, text: str, digests: dict[int, bytes]) -> Receipt:
        """The row that an id stands for; `digests` are those of the versions at hand. Raises InvalidReceipt."""
        if self._key is None:
            raise InvalidReceipt("labels are counted where spec.monitor.feedback names a key, which signs the ids")
        ident, _, number = text.partition(".")
        if len(ident) > 1024 or len(number) > 3 or (number and not number.isdecimal()):
            raise InvalidReceipt("the id is malformed")
        row = int(number or 0)
        try:
            data = base64.b64decode(ident + "=" * (-len(ident) % 4), altchars=b"-_", validate=True)
            kind, flags, version, prefix, issued, _, rows = _HEAD.unpack_from(data)
        except (binascii.Error, struct.error, ValueError):
            raise InvalidReceipt("the id is malformed") from None
        if _text(data) != ident.encode():  # one id, one spelling: others would count again
            raise InvalidReceipt("the id is malformed")
        if kind != 1:
            raise InvalidReceipt(f"the id has format {kind}, which is not known here")
        digest = digests.get(version)
        if digest is None or digest[:8] != prefix:
            raise InvalidReceipt(f"version {version}, which gave this answer, is not loaded any more")
        width = 2 if flags & _WIDE else 1
        end = _HEAD.size + rows * width
        if not self._is_ours(data[:end], data[end:]):
            raise InvalidReceipt("the id is not one of this deployment's")
        if row >= rows:
            raise InvalidReceipt(f"the request had {rows} rows, there is no row {row}")
        age = self._clock() - issued
        if age > MAX_AGE_SECONDS or age < -300:
            raise InvalidReceipt("the id has expired")
        part = data[_HEAD.size + row * width : _HEAD.size + (row + 1) * width]
        return Receipt(version, digest, issued, row, int.from_bytes(part, "big"))

    def lag(self, receipt: Receipt) -> float:
        """Seconds since the prediction; clocks of two pods may differ."""
        return max(0.0, self._clock() - receipt.time)

    def first_label(self, text: str) -> bool:
        """Whether this row has no label yet; remembers it. By pod and for the last 200,000 labels."""
        ident, _, number = text.partition(".")
        key = hashlib.blake2b(f"{ident}.{int(number or 0)}".encode(), digest_size=12).digest()
        if key in self._labelled:
            return False
        self._labelled[key] = None
        if len(self._labelled) > _REMEMBERED:
            self._labelled.popitem(last=False)
        return True


def _text(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def mac(key: bytes, body: bytes) -> bytes:
    """The last 16 bytes of a receipt: the key is needed to make them."""
    return hmac.digest(key, body, "sha256")[:16]
