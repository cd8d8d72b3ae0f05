"""examples.json: raw rows in JSON as clients send them, with the outputs that every engine must give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import FORMAT_VERSION
from ropewalk_model.features import Columns
from ropewalk_model.signature import INT64_MISSING, NUMPY_DTYPES, Signature, TensorSpec

TOLERANCE = 1e-4
"""Between processors; at publishing, on one processor, it is 1e-5."""


def build(signature: Signature, columns: Columns, outputs: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """examples.json of these rows with these outputs. A missing value is null."""
    rows = len(next(iter(outputs.values())))
    examples = []
    for row in range(rows):
        instance = {spec.name: _to_wire(spec, columns[spec.name][row]) for spec in signature.inputs}
        expected = {name: np.asarray(values[row]).tolist() for name, values in outputs.items()}
        examples.append({"instance": instance, "expected": expected})
    return {"formatVersion": FORMAT_VERSION, "tolerance": TOLERANCE, "examples": examples}


def _to_wire(spec: TensorSpec, value: Any) -> Any:
    plain = np.asarray(value).tolist()
    if spec.dtype == "FLOAT" and len(spec.shape) == 1 and not math.isfinite(plain):
        return None
    if spec.dtype == "INT64" and plain == INT64_MISSING:
        return None
    if spec.dtype == "STRING" and plain == "":
        return None
    return plain


def columns_of(signature: Signature, rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Columns of wire values from JSON rows; null or an absent key is the missing value."""
    columns = {}
    for spec in signature.inputs:
        values = [row.get(spec.name) for row in rows]
        filled = [spec.missing if value is None else value for value in values]
        if spec.dtype == "STRING":
            column = np.empty(len(filled), dtype=object)
            column[:] = filled
        else:
            column = np.asarray(filled, dtype=NUMPY_DTYPES[spec.dtype])
        columns[spec.name] = column
    return columns


def instances(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The raw rows."""
    return [one["instance"] for one in document["examples"]]


def disagreement(document: Mapping[str, Any], outputs: Mapping[str, NDArray[Any]]) -> str | None:
    """None if the outputs agree with the expected ones within the tolerance, else what differs, in a sentence.

    A label may differ only where the two best classes are within the tolerance of each other.
    """
    tolerance = float(document["tolerance"])
    for index, example in enumerate(document["examples"]):
        expected = example["expected"]
        for name, wanted in expected.items():
            if name == "label":
                continue
            got = np.asarray(outputs[name][index], dtype=np.float64)
            want = np.asarray(wanted, dtype=np.float64)
            error = float(np.max(np.abs(got - want) / np.maximum(1.0, np.abs(want)))) if want.size else 0.0
            if not error <= tolerance:
                return f"example {index}: {name} is off by {error:.3g}, more than {tolerance:g}"
        if "label" in expected and str(outputs["label"][index]) != expected["label"]:
            best = sorted(expected["probabilities"], reverse=True)
            if len(best) > 1 and best[0] - best[1] > 2 * tolerance:
                return f"example {index}: label is {outputs['label'][index]!r}, not {expected['label']!r}"
    return None
