"""TensorFlow's own answers to generated inputs, and which signatures are one and the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.calls import Call
from ropewalk_model.signature import NUMPY_DTYPES, Signature
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.importing import inputs

Arrays = Mapping[str, NDArray[Any]]
CALL_SECONDS = int(os.environ.get("ROPEWALK_CALL_SECONDS", "60"))
"""That a model has for an answer to a few rows."""


def call(loaded: Any, signature: Signature, given: Arrays) -> dict[str, NDArray[Any]]:
    """What the signature answers. Whatever TensorFlow raises where it does not take the inputs."""
    tf = lazy_imports.tensorflow()
    tensors = {
        name: tf.constant(one.tolist(), tf.string) if one.dtype == object else tf.constant(one)
        for name, one in given.items()
    }
    answer = loaded.signatures[signature.name](**tensors)
    found = {}
    for spec in signature.outputs:
        value = np.asarray(answer[spec.name].numpy(), dtype=NUMPY_DTYPES[spec.dtype])
        found[spec.name] = value
    return found


def calls(loaded: Any, signature: Signature) -> list[Call]:
    """Two calls, of several rows and of one, with the first inputs that the signature takes; none if it takes none.

    One that takes CALL_SECONDS ends the process: nothing else ends a loop in TensorFlow.
    """
    found: list[Call] = []
    for given in inputs.tries(signature.inputs):
        rows = max([len(given[one.name]) for one in signature.inputs if one.shape[:1] == (-1,)], default=1)
        if found and rows > 1:
            continue
        signal.alarm(CALL_SECONDS)
        try:
            found.append(Call(signature.name, given, call(loaded, signature, given)))
        except MemoryError:
            raise
        except Exception:  # whatever a stranger's graph says of inputs that it was not made for
            continue
        finally:
            signal.alarm(0)
        if rows == 1:
            break
    return found


def distinct(signatures: Sequence[Signature], made: Mapping[str, Sequence[Call]]) -> list[Signature]:
    """The signatures that do not answer as the first one does, to the last bit, to the inputs of `made`."""
    first = signatures[0]
    return [one for one in signatures[1:] if not _same(first, one, made)]


def _same(first: Signature, other: Signature, made: Mapping[str, Sequence[Call]]) -> bool:
    mine, theirs = made[first.name], made[other.name]
    if replace(other, name=first.name) != replace(first, others=()) or not mine or len(mine) != len(theirs):
        return False
    return all(
        np.array_equal(one.outputs[name], two.outputs[name], equal_nan=one.outputs[name].dtype.kind == "f")
        for one, two in zip(mine, theirs, strict=True)
        for name in one.outputs
    )
