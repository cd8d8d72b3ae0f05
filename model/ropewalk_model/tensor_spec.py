"""One named tensor on the wire: its dtype by TensorFlow's name, its shape, and what stands for a missing value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Dtype = Literal[
    "FLOAT",
    "DOUBLE",
    "HALF",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "BOOL",
    "STRING",
]
"""By TensorFlow's names. Our own models have FLOAT, INT64, BOOL, STRING and UINT8 only."""

INT64_MISSING = -(2**63)
"""Missing Integer on the wire (a missing FLOAT is NaN, a missing STRING is "")."""

NUMPY_DTYPES: Mapping[str, Any] = {
    "FLOAT": np.float32,
    "DOUBLE": np.float64,
    "HALF": np.float16,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT64": np.int64,
    "BOOL": np.bool_,
    "STRING": object,
    "UINT8": np.uint8,
}


@dataclass(frozen=True)
class TensorSpec:
    """One named tensor; `shape` starts with -1, the number of rows. `format`: the rule that a STRING's values obey, by
    its name in JSON Schema (`date-time`), or empty. In a signature of named tensors any size may be -1, which is one
    that each request decides, and there may be no rows."""

    name: str
    dtype: Dtype
    shape: tuple[int, ...] = (-1,)
    optional: bool = False
    format: str = ""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        document = {
            "name": self.name,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "optional": self.optional,
        }
        return {**document, "format": self.format} if self.format else document

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> TensorSpec:
        """Inverse of `document`."""
        return TensorSpec(
            name=document["name"],
            dtype=document["dtype"],
            shape=tuple(document["shape"]),
            optional=bool(document.get("optional", False)),
            format=document.get("format", ""),
        )

    @property
    def missing(self) -> Any:
        """The value that stands for a missing one, or None if the type has none (BOOL, UINT8)."""
        return {"FLOAT": float("nan"), "INT64": INT64_MISSING, "STRING": ""}.get(self.dtype)
