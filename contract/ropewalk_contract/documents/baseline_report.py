"""Baseline report: the answer of a server to GET /baseline: histograms of the training data of the live version.

Input from a pod. `read` raises Refused; `ropewalk_model.baseline` has the type of the histograms and reads them. An
answer without `formatVersion` is of version 1: servers of earlier releases do not write it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ropewalk_contract.documents.fields import integer, mapping, versioned

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class BaselineReport:
    """The number by which the server knows the live version, and its baseline.json without sensitive values."""

    version: int
    baseline: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {"formatVersion": FORMAT_VERSION, "version": self.version, "baseline": dict(self.baseline)}

    @staticmethod
    def read(document: object) -> BaselineReport:
        """Inverse of `document`. Refused names the first field that is wrong."""
        found = versioned({"formatVersion": FORMAT_VERSION, **mapping(document, "the document")}, FORMAT_VERSION)
        return BaselineReport(integer(found.get("version"), "version"), mapping(found.get("baseline"), "baseline"))
