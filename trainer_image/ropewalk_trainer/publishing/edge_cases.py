"""Made-up rows at the edges of every type: where two implementations of one encoding would part, if they ever do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features import Columns, Encoder, Encoding
from ropewalk_model.signature import INT64_MISSING, NUMPY_DTYPES

GREATEST = float(np.finfo(np.float32).max)
NUMBERS = (0.0, -0.0, 1.0, GREATEST, -GREATEST, 1e-45, np.inf, -np.inf, np.nan)
INTEGERS = (0, -1, 2**53 + 1, 2**63 - 1, INT64_MISSING + 1, INT64_MISSING)
TIMES = (
    *("", " ", "now", "2024-02-29", "2024-02-29T12:00:00", "2023-02-29T12:00:00Z", "0000-01-01T00:00:00Z"),
    *(
        "0001-01-01t00:00:00z",
        "9999-12-31T23:59:59-23:59",
        "2016-12-31T23:59:60.5Z",
        "2016-12-31T23:59:60+05:30",
        "1969-12-31T23:59:59Z",
    ),
)
TEXTS = ("Don\u2019t!  \u201cSHOUT\u201d", "\u65e5\u672c\u8a9e \u03a3\u03c2 a\u0000b", "word " * 2000)
WORDS = (
    "",
    " ",
    "true",
    "?",
    "\u00e9",
    "e\u0301",
    "\u00c9cole",
    "a\u00a0b",
    "\U0001f600",
    "x" * 300,
    "\u0130",
    "\u00df",
)


def of(one: Encoding) -> list[Any]:
    """Edge values of a feature, its own vocabulary's ends and mean among them."""
    if one.spec.type == "Image":
        shape = one.spec.shape
        return [np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), np.full(shape, 127, np.uint8)]
    if one.spec.type == "Number":
        return [*NUMBERS, one.mean]
    if one.spec.type == "Integer":
        return [*INTEGERS, round(min(max(one.mean, -(2.0**62)), 2.0**62))]
    if one.spec.dtype == "BOOL":
        return [False, True]
    if one.spec.type == "Timestamp":
        return list(TIMES)
    if one.spec.type == "Text":
        return [*WORDS, *TEXTS, " ".join(one.vocabulary[:50]).upper(), " ".join(reversed(one.vocabulary[-50:]))]
    return [*WORDS, *one.vocabulary[:1], *one.vocabulary[-1:]]


def with_edges(encoder: Encoder, columns: Columns) -> dict[str, NDArray[Any]]:
    """The columns with edge rows appended; every feature goes through its edges, the shorter lists repeatedly."""
    values = {one.spec.name: of(one) for one in encoder.encodings}
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
