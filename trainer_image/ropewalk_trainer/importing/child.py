"""The process in which TensorFlow reads a stranger's SavedModel: it may take little, and may end badly.

It works on a copy in a sandbox (`ropewalk_model.sandbox`). It looks at all operations before TensorFlow loads anything,
then writes the other files of a version beside the model, and a line of JSON to stdout: `engines`, `loadedBytes` and
`notes`, or `reason`, `message` and `code`.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_model import baseline, examples, manifest, sandbox
from ropewalk_model import calls as recorded
from ropewalk_model.calls import Call
from ropewalk_model.engines.interface import X, Y
from ropewalk_model.features import TENSOR, Encoder, Encoding, FeatureSpec
from ropewalk_model.operations import forbidden
from ropewalk_model.sandbox import Limits, Write
from ropewalk_model.signature import PREDICT, Signature
from ropewalk_model.store import staging
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.errors import RunFailure, UserError
from ropewalk_trainer.importing import calling, inputs, signatures
from ropewalk_trainer.importing.source import SAVED_MODEL
from ropewalk_trainer.publishing import compiled
from ropewalk_trainer.stages import publish

PROVED_ROWS = 300
PROVED_VALUES = 1 << 22
SHOWN_ROWS = 10
SHOWN_VALUES = 1 << 17
TIMES = 20


@dataclass(frozen=True)
class Imported:
    """What the other files are about."""

    signature: Signature
    engines: Sequence[Mapping[str, Any]]
    loaded_bytes: int
    documents: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Frozen:
    core: Any


def _in_sandbox(limits: Limits, arguments: Sequence[str], write: Write) -> None:
    write(json.dumps(main(limits, Path(arguments[0]), arguments[1])).encode() + b"\n")


def main(limits: Limits, place: Path, digest: str) -> dict[str, Any]:
    """The line of JSON."""
    tf = lazy_imports.tensorflow()  # trusted, and more than what the limits leave
    sandbox.confine(limits)
    try:
        found = signatures.read(_scanned(place / SAVED_MODEL))
        made = _import(tf, place, found)
        # So that the model's digest, which covers features.json, is another one for another graph.
        made.documents[manifest.FEATURES]["treeDigest"] = digest
        for path, document in made.documents.items():
            staging.write(place / path, json.dumps(document, allow_nan=False).encode())
        return {"engines": made.engines, "loadedBytes": made.loaded_bytes, "notes": made.notes}
    except RunFailure as error:
        return {"reason": error.reason, "message": error.message, "code": error.exit_code}
    except (MemoryError, OSError):
        raise
    except Exception as error:  # whatever a stranger's model makes TensorFlow raise
        text = f"TensorFlow cannot load the SavedModel: {str(error)[:300] or type(error).__name__}"
        return {"reason": reasons.UNSUPPORTED_MODEL, "message": text, "code": UserError.exit_code}


def _scanned(file: Path) -> Any:
    """The parsed file, all of whose operations only compute. UserError."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        parsed = SavedModel.FromString(file.read_bytes())
    except Exception as error:  # protobuf's DecodeError, of either implementation
        raise UserError(reasons.UNSUPPORTED_MODEL, f"{SAVED_MODEL} is no SavedModel: {error}") from error
    operation = forbidden(parsed)
    if operation is not None:
        text = (
            f"the operation {operation} is none that is known to compute only (no file, network or code): it is "
            "refused; export the model without it"
        )
        raise UserError(reasons.FORBIDDEN_OP, text)
    return parsed


def _import(tf: Any, place: Path, found: signatures.Found) -> Imported:
    before = _resident()
    loaded = tf.saved_model.load(str(place), tags=[signatures.SERVE])
    made = {one.name: calling.calls(loaded, one) for one in found.signatures}
    size = _resident() - before
    notes = [f"signature {one}" for one in found.left_out]
    notes += [
        f"signature {name} took none of the generated inputs: it was not tried" for name, one in made.items() if not one
    ]
    first = found.signatures[0]
    if _is_tensor(first) and not calling.distinct(found.signatures, made):
        fast = _compiled(tf, place, loaded, found, made[first.name])
        if fast is not None:
            return replace(fast, notes=tuple(notes))
    signature = signatures.one(found)
    entry = {
        "name": compiled.TENSORFLOW,
        "file": SAVED_MODEL,
        "latencyMicros": _latency(loaded, first, made[first.name]),
    }
    every = [one for name in made for one in made[name]]
    documents = _documents(signature, Encoder([]), [], {}, np.zeros(0, np.float32), recorded.document(every))
    return Imported(signature, [entry], max(size, 0), documents, tuple(notes))


def _is_tensor(signature: Signature) -> bool:
    """Whether compiled engines may take it: one float tensor of rows in, one `[rows, columns]` out."""
    if signature.method != PREDICT or len(signature.inputs) != 1 or len(signature.outputs) != 1:
        return False
    entry, exit_ = signature.inputs[0], signature.outputs[0]
    known = len(entry.shape) > 1 and entry.shape[0] == -1 and min(entry.shape[1:]) > 0
    rows = len(exit_.shape) == 2 and exit_.shape[0] == -1 and exit_.shape[1] > 0
    return known and rows and (entry.dtype, exit_.dtype) == ("FLOAT", "FLOAT")


def _compiled(tf: Any, place: Path, loaded: Any, found: signatures.Found, made: Sequence[Call]) -> Imported | None:
    """The model on engines that answer as TensorFlow does; None where none does, which leaves it to TensorFlow."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    first = found.signatures[0]
    entry, exit_ = first.inputs[0], first.outputs[0]
    if not made:
        return None
    values = int(np.prod(entry.shape[1:]))
    rows = inputs.values(entry, (max(SHOWN_ROWS, min(PROVED_ROWS, PROVED_VALUES // values)), *entry.shape[1:]))
    (place / manifest.COMPILED).mkdir(parents=True, exist_ok=True)
    try:
        frozen = convert_variables_to_constants_v2(loaded.signatures[first.name])
        spec = tf.TensorSpec([None, *entry.shape[1:]], tf.float32, name="x")
        core = tf.function(lambda x: frozen(x)[0], input_signature=[spec], autograph=False)
        expected = _answers(loaded, first, rows)
        engines, _, size = publish.compiled_forms(_Frozen(core), {X: rows}, {Y: expected}, place)
    except (MemoryError, OSError):
        raise
    except Exception:  # a table that cannot be frozen, a batch that the model does not take: TensorFlow remains
        return None
    if not engines:
        return None
    others = [replace(Signature.for_tensor(entry, exit_), name=one.name) for one in found.signatures[1:]]
    signature = replace(Signature.for_tensor(entry, exit_), name=first.name, others=tuple(others))
    feature = FeatureSpec(entry.name, TENSOR.name, shape=entry.shape[1:])
    shown = slice(0, max(2, min(SHOWN_ROWS, SHOWN_VALUES // values)))
    columns = {entry.name: rows[shown]}
    replayed = examples.build(signature, columns, signature.answer(expected[shown]))
    documents = _documents(signature, Encoder([Encoding(feature)]), [feature], columns, expected.reshape(-1), replayed)
    return Imported(signature, engines, size, documents, ())


def _answers(loaded: Any, signature: Signature, rows: NDArray[Any]) -> NDArray[np.float32]:
    name = signature.inputs[0].name
    parts = [calling.call(loaded, signature, {name: rows[at : at + 64]}) for at in range(0, len(rows), 64)]
    return np.concatenate([part[signature.outputs[0].name] for part in parts])


def _latency(loaded: Any, signature: Signature, made: Sequence[Call]) -> dict[str, int]:
    """Microseconds of a call of one row, and of 256, guessed from one of a few."""
    if not made:
        return {}
    few = [_micros(loaded, signature, one.inputs) for one in (made[-1], made[0])]
    each = max(0, few[1] - few[0]) // max(1, inputs.ROWS - 1)
    return {"1": few[0], "256": few[0] + 255 * each}


def _micros(loaded: Any, signature: Signature, given: calling.Arrays) -> int:
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        calling.call(loaded, signature, given)
        times.append(time.perf_counter() - began)
        if sum(times) > 1:
            break
    return max(1, round(float(np.median(times)) * 1e6))


def _documents(
    signature: Signature,
    encoder: Encoder,
    features: Sequence[FeatureSpec],
    columns: Mapping[str, NDArray[Any]],
    predictions: NDArray[np.float32],
    replayed: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        manifest.FEATURES: encoder.document(),
        manifest.SIGNATURE: signature.document(),
        manifest.BASELINE: baseline.build(features, columns, predictions),
        manifest.EXAMPLES: replayed,
    }


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    sandbox.child(_in_sandbox)
