"""Rows in wire values: features by name, label, weight. Snapshots are Parquet, one file a split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features import FeatureSpec
from ropewalk_model.tensor_spec import NUMPY_DTYPES

SPLITS = ("train", "evaluate", "test")


@dataclass(frozen=True)
class Table:
    """Columns of equal length. Labels are `str` (classification) or float64; weights float32 or None."""

    columns: dict[str, NDArray[Any]]
    labels: NDArray[Any]
    weights: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[Any] | slice) -> Table:
        """These rows (indices, a mask or a slice)."""
        weights = None if self.weights is None else self.weights[rows]
        return Table({name: one[rows] for name, one in self.columns.items()}, self.labels[rows], weights)


def concatenate(tables: Sequence[Table]) -> Table:
    """All rows of these tables."""
    names = tables[0].columns
    weights = [one.weights for one in tables if one.weights is not None]
    return Table(
        {name: np.concatenate([one.columns[name] for one in tables]) for name in names},
        np.concatenate([one.labels for one in tables]),
        np.concatenate(weights) if weights else None,
    )


def row_digests(table: Table) -> list[bytes]:
    """sha256 of each row's content, the same whatever the format it was read from."""
    texts: list[Sequence[bytes]] = []
    for name in sorted(table.columns):
        column = table.columns[name]
        if column.ndim > 1:
            texts.append([row.tobytes() for row in column])
        else:
            texts.append([repr(value).encode() for value in column.tolist()])
    texts.append([repr(value).encode() for value in table.labels.tolist()])
    return [hashlib.sha256(b"\x1f".join(row)).digest() for row in zip(*texts, strict=True)]


def save(table: Table, file: BinaryIO) -> None:
    """Write a snapshot. Feature columns are prefixed, so that no name can collide with label or weight."""
    import pyarrow as pa
    from pyarrow import parquet

    arrays: dict[str, Any] = {}
    for name, column in table.columns.items():
        if column.ndim > 1:
            arrays[f"f:{name}"] = pa.array([row.tobytes() for row in column], type=pa.binary())
        elif column.dtype == object:
            arrays[f"f:{name}"] = pa.array(column.tolist(), type=pa.string())
        else:
            arrays[f"f:{name}"] = pa.array(column)
    kind = pa.string() if table.labels.dtype == object else pa.float64()
    arrays["label"] = pa.array(table.labels.tolist(), type=kind)
    if table.weights is not None:
        arrays["weight"] = pa.array(table.weights)
    parquet.write_table(pa.table(arrays), file)


def load(file: BinaryIO, specs: Sequence[FeatureSpec]) -> Table:
    """Read a snapshot back, bit for bit."""
    import pyarrow as pa
    from pyarrow import parquet

    stored = parquet.read_table(file)
    columns: dict[str, NDArray[Any]] = {}
    for spec in specs:
        column = stored[f"f:{spec.name}"]
        if spec.shape:
            data = b"".join(column.to_pylist())
            columns[spec.name] = np.frombuffer(data, dtype=NUMPY_DTYPES[spec.dtype]).reshape(-1, *spec.shape)
        elif spec.dtype == "STRING":
            columns[spec.name] = np.array([*column.to_pylist(), None], dtype=object)[:-1]
        else:
            columns[spec.name] = column.to_numpy()
    labels = stored["label"]
    words = pa.types.is_string(labels.type)
    values = np.array([*labels.to_pylist(), None], dtype=object)[:-1] if words else labels.to_numpy()
    weights = stored["weight"].to_numpy() if "weight" in stored.column_names else None
    return Table(columns, values, weights)
