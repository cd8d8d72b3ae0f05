"""examples.json of an imported model: calls of its signatures, with the outputs that TensorFlow gave for them.

Arrays are stored as their little-endian bytes in base64, so that a repeated call has exactly the same inputs. Strings
are stored as lists of base64.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import FORMAT_VERSION
from ropewalk_model.examples import TOLERANCE
from ropewalk_model.signature import NUMPY_DTYPES, TensorSpec

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Call:
    """One call of a signature."""

    signature: str
    inputs: Arrays
    outputs: Arrays


def document(calls: Sequence[Call]) -> dict[str, Any]:
    """The JSON form: examples.json."""
    listed = [
        {"signature": one.signature, "inputs": _written(one.inputs), "outputs": _written(one.outputs)} for one in calls
    ]
    return {"formatVersion": FORMAT_VERSION, "tolerance": TOLERANCE, "calls": listed}


def of(
    document: Mapping[str, Any], name: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> list[Call]:
    """The calls of the signature of that name. ValueError, KeyError or TypeError for what is none."""
    mine = [one for one in document["calls"] if one["signature"] == name]
    return [Call(name, _read(one["inputs"], inputs), _read(one["outputs"], outputs)) for one in mine]


def disagreement(expected: Arrays, got: Arrays, tolerance: float) -> str | None:
    """None if the outputs are the expected ones, numbers within the tolerance; else what differs, in a sentence."""
    for name, want in expected.items():
        have = got.get(name)
        if have is None or have.shape != want.shape or (have.dtype == object) != (want.dtype == object):
            return f"{name} is {'absent' if have is None else f'of shape {list(have.shape)}'}, not {list(want.shape)}"
        if want.dtype.kind in "Ob":
            if not np.array_equal(have, want):
                return f"{name} has other values"
            continue
        one, two = have.astype(np.float64), want.astype(np.float64)
        with np.errstate(invalid="ignore"):
            wrong = np.abs(one - two) / np.maximum(1.0, np.abs(two))
        same = (one == two) | (np.isnan(one) & np.isnan(two))
        worst = float(np.max(np.where(same, 0.0, wrong), initial=0.0))
        if not worst <= tolerance:
            return f"{name} is off by {worst:.3g}, more than {tolerance:g}"
    return None


def _written(arrays: Arrays) -> dict[str, Any]:
    return {name: {"shape": list(one.shape), "data": _data(one)} for name, one in arrays.items()}


def _data(array: NDArray[Any]) -> Any:
    if array.dtype == object:
        return [base64.b64encode(one).decode() for one in array.reshape(-1)]
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _read(arrays: Mapping[str, Any], specs: Sequence[TensorSpec]) -> dict[str, NDArray[Any]]:
    found = {}
    for spec in specs:
        shape, data = tuple(arrays[spec.name]["shape"]), arrays[spec.name]["data"]
        if spec.dtype == "STRING":
            column = np.empty(len(data), dtype=object)
            column[:] = [base64.b64decode(one) for one in data]
        else:
            column = np.frombuffer(base64.b64decode(data), dtype=NUMPY_DTYPES[spec.dtype])
        found[spec.name] = column.reshape(shape)
    return found
