"""Histograms of features and predictions in fixed bins. The same code counts training rows and live traffic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ropewalk_model.features import Columns, registry
from ropewalk_model.features.bins import Bins


def from_document(document: Mapping[str, Any]) -> Bins:
    """Inverse of `Bins.document`. ValueError for a kind that has no bins."""
    kind = registry.of(document["kind"]).bins_class
    if kind is None:
        raise ValueError(f"{document['kind']} has no bins")
    return kind(tuple(document["edges"]), tuple(document["values"]), document.get("sensitive") is True)


class Counter:
    """Additive counts by feature. Not thread-safe: one thread adds."""

    def __init__(self, bins_by_feature: Mapping[str, Bins]) -> None:
        self.bins = dict(bins_by_feature)
        self.rows = 0
        self._counts = {name: np.zeros(bins.size, dtype=np.int64) for name, bins in self.bins.items()}

    def add(self, columns: Columns, rows: int) -> None:
        """Count so many rows of these columns; columns without bins are ignored."""
        for name, bins in self.bins.items():
            self._counts[name] += bins.count(columns[name])
        self.rows += rows

    @property
    def counts(self) -> dict[str, list[int]]:
        """Counts so far."""
        return {name: counts.tolist() for name, counts in self._counts.items()}
