"""Rows of a request as numpy columns, decoded once for the encoder, the engine and the recorder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Batch:
    """`rows` rows. `matrix` is float32 [rows, inputs] if every input is a scalar FLOAT, else None."""

    __slots__ = ("_columns", "_names", "_nbytes", "matrix", "rows")

    def __init__(
        self,
        rows: int,
        names: Sequence[str],
        *,
        matrix: NDArray[np.float32] | None = None,
        columns: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        self.rows = rows
        self.matrix = matrix
        self._names = names
        self._columns = columns
        self._nbytes: int | None = None

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Columns of wire values by input name; built on demand from the matrix."""
        if self._columns is None:
            assert self.matrix is not None
            self._columns = dict(zip(self._names, self.matrix.T, strict=True))
        return self._columns

    @property
    def nbytes(self) -> int:
        """Of its arrays, and at most of their texts: one that has a rare sign takes four bytes for each of all."""
        if self.matrix is not None:
            return self.matrix.nbytes
        if self._nbytes is None:
            texts = [one for one in self.columns.values() if one.dtype == object]
            signs = sum([sum(map(len, one.flat)) for one in texts])
            self._nbytes = sum([one.nbytes for one in self.columns.values()]) + 4 * signs
        return self._nbytes

    def resized(self, rows: int) -> Batch:
        """So many rows: these over and over, or the first of them."""
        if self.matrix is not None:
            return Batch(rows, self._names, matrix=np.resize(self.matrix, (rows, self.matrix.shape[1])))
        columns = {name: np.resize(column, (rows, *column.shape[1:])) for name, column in self.columns.items()}
        return Batch(rows, self._names, columns=columns)

    def part(self, start: int, stop: int) -> Batch:
        """Rows from `start` to before `stop`; views, which keep all of this in memory."""
        columns = {name: column[start:stop] for name, column in self.columns.items()}
        return Batch(min(stop, self.rows) - start, self._names, columns=columns)

    def every(self, step: int, offset: int) -> Batch:
        """Rows offset, offset + step, ...: a sample, which does not keep the others in memory."""
        if self.matrix is not None:
            part = self.matrix[offset::step].copy()
            return Batch(len(part), self._names, matrix=part)
        columns = {name: column[offset::step].copy() for name, column in self.columns.items()}
        return Batch(len(next(iter(columns.values()))), self._names, columns=columns)


def concatenate(batches: Sequence[Batch]) -> Mapping[str, NDArray[Any]]:
    """The columns of several batches of one signature, one after the other."""
    if len(batches) == 1:
        return batches[0].columns
    first = batches[0]
    if all(batch.matrix is not None for batch in batches):
        matrix = np.concatenate([batch.matrix for batch in batches if batch.matrix is not None])
        return Batch(len(matrix), first._names, matrix=matrix).columns
    return {name: np.concatenate([batch.columns[name] for batch in batches]) for name in first.columns}
