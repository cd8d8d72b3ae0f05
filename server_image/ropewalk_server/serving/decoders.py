"""The contract of the decoders that a model is loaded with: serving knows the rows of a request, protocols its format.

A loader gets `Decoders` and replays a version's examples through them, so that the whole path is proved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.signature import Signature
from ropewalk_server.serving.batch import Batch


class Undecodable(Exception):
    """A request's rows are not those of the signature."""


class RowReader(Protocol):
    """Reads the numbers of several requests at once."""

    def read_together(
        self, bodies: Sequence[bytes], most_each: int, most: int
    ) -> tuple[NDArray[np.float32], Sequence[int]]:
        """float32 [rows, ...] of the first requests, and the rows of each; 0 for one that must be read alone."""


class RequestDecoder(Protocol):
    """Decodes requests for one signature. Immutable, shared between threads."""

    names: tuple[str, ...]
    """The inputs, in the signature's order."""
    floats_only: bool
    """Whether every input is a scalar FLOAT."""

    @property
    def row_reader(self) -> RowReader | None:
        """For requests of numbers only in row form."""

    @property
    def float32_only(self) -> bool:
        """Whether every number of a request becomes a float32, whatever its type on the wire."""

    def decode(self, document: dict[str, Any], max_rows: int | None) -> tuple[Batch, bool]:
        """The batch, and whether the request was in row form; `max_rows` None: no bound. Raises Undecodable."""

    def decode_numbers(self, body: bytes, max_rows: int) -> tuple[Batch, bool] | None:
        """As `decode`, from the bytes of a request of numbers only; None for one that `decode` must read."""

    def batch_of(self, numbers: NDArray[np.float32]) -> Batch:
        """The batch of a reader's numbers: float32 [rows, *shape]."""

    def rows_in(self, size: int) -> int:
        """Rows that take at most `size` bytes as columns and encoded, at least one."""

    def check_rows(self, rows: int, max_rows: int | None) -> None:
        """Raises Undecodable where there are too many rows."""


class TensorsRequestDecoder(RequestDecoder, Protocol):
    """Decodes requests for one signature of any tensors."""

    def batch(self, arrays: Mapping[str, NDArray[Any]], max_rows: int | None) -> Batch:
        """The arrays as a batch. Raises Undecodable where there are too many rows."""


@dataclass(frozen=True)
class Decoders:
    """Makes decoders."""

    rows: Callable[[Signature, int], RequestDecoder]
    """Of a signature and the numbers that one encoded row has."""
    tensors: Callable[[Signature], TensorsRequestDecoder]
    """Of a signature of any tensors."""
