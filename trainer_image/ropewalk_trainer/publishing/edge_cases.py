"""Made-up rows at the edges of every type: where two implementations of one encoding would part, if they ever do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features import Columns, Encoder, Encoding
from ropewalk_model.tensor_spec import NUMPY_DTYPES


def with_edges(encoder: Encoder, columns: Columns) -> dict[str, NDArray[Any]]:
    """The columns with edge rows appended; every feature goes through its edges, the shorter lists repeatedly."""
    values = {one.spec.name: one.spec.kind.edge_values(one) for one in encoder.encodings}
    rows = max(len(one) for one in values.values())
    return {
        one.spec.name: np.concatenate([columns[one.spec.name], _column(one, values[one.spec.name], rows)])
        for one in encoder.encodings
    }


def _column(one: Encoding, values: list[Any], rows: int) -> NDArray[Any]:
    repeated = [values[index % len(values)] for index in range(rows)]
    column: NDArray[Any] = np.empty((rows, *one.spec.shape), dtype=NUMPY_DTYPES[one.spec.dtype])
    for index, value in enumerate(repeated):
        column[index] = value
    return column
