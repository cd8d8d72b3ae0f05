"""Which row trains, which tunes, which judges: stable by hash, or by time."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_trainer.data.table import SPLITS
from ropewalk_trainer.errors import DataError
from ropewalk_trainer.run_document import Split

TRAIN, EVALUATE, TEST = range(3)
_BUCKETS = 10_000


def by_digest(digests: Sequence[bytes], split: Split) -> NDArray[np.int8]:
    """0 train, 1 evaluate, 2 test, from the first 8 bytes of each row's sha256: never reshuffled by new rows."""
    heads = np.frombuffer(b"".join(one[:8] for one in digests), dtype=">u8") % _BUCKETS
    percent = heads.astype(np.float64) * 100 / _BUCKETS
    parts = np.full(len(digests), TRAIN, dtype=np.int8)
    parts[percent < split.test_percent + split.evaluate_percent] = EVALUATE
    parts[percent < split.test_percent] = TEST
    return parts


def key_digests(keys: Sequence[Any]) -> list[bytes]:
    """sha256 of each row's key: all rows of one key lie on one side."""
    return [hashlib.sha256(str(key).encode()).digest() for key in keys]


def by_time(values: Sequence[Any], split: Split, *, sensitive: bool = False) -> NDArray[np.int8]:
    """The latest testPercent judge, those before them tune. Rows of one instant stay together.

    DataError for a value that is no time; it is quoted unless the values are `sensitive`.
    """
    seconds = np.array([_seconds(value) for value in values], dtype=np.float64)
    if np.isnan(seconds).any():
        value = "a value" if sensitive else repr(str(values[int(np.isnan(seconds).argmax())])[:40])
        raise DataError(
            reasons.WRONG_TYPE, f"{split.column}: {value} is neither a number nor an RFC 3339 time; split needs one"
        )
    order = np.sort(seconds)
    rows = len(order)
    test_from = order[min(rows - 1, int(rows * (1 - split.test_percent / 100)))]
    tune_share = 1 - (split.test_percent + split.evaluate_percent) / 100
    tune_from = order[min(rows - 1, int(rows * tune_share))]
    parts = np.full(rows, TRAIN, dtype=np.int8)
    parts[seconds >= tune_from] = EVALUATE
    parts[seconds >= test_from] = TEST
    return parts


def _seconds(value: Any) -> float:
    """NaN for what is no time."""
    try:
        return value.timestamp() if isinstance(value, datetime) else float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        return datetime.fromisoformat(str(value).strip()).timestamp()
    except (ValueError, OverflowError):
        return math.nan


def check(parts: NDArray[np.int8]) -> dict[str, int]:
    """Rows by split. MinRows if one is empty."""
    counts = {name: int((parts == index).sum()) for index, name in enumerate(SPLITS)}
    for name, count in counts.items():
        if count == 0:
            raise DataError(
                reasons.MIN_ROWS,
                f"the {name} split of {len(parts)} rows is empty; add rows or change spec.source.split",
            )
    return counts
