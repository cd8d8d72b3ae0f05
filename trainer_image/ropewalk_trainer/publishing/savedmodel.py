"""The SavedModel: raw features in, named answers out, for any TensorFlow Serving; the same encoding in TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ropewalk_model.features import Encoder
from ropewalk_model.signature import Signature
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.tf_encoding import TF_ENCODINGS
from ropewalk_trainer.training.trained_model import Trained

CORE = "core"
"""The signature that TensorFlow runs where no compiled engine does: encoded rows `x` to the core's output `y`."""


def write(trained: Trained, encoder: Encoder, signature: Signature, directory: Path) -> None:
    """Save the network with its encoding under the signature `serving_default`, and alone under `core`."""
    tf = lazy_imports.tensorflow()
    types = {"FLOAT": tf.float32, "INT64": tf.int64, "BOOL": tf.bool, "STRING": tf.string, "UINT8": tf.uint8}
    module = tf.Module(name="ropewalk")
    module.weights = [tf.Variable(one, name=f"weight_{index}") for index, one in enumerate(trained.weights)]
    module.tables = tables(encoder)

    def serve(**columns: Any) -> Mapping[str, Any]:
        core = trained.answer(module.weights, encode(encoder, module.tables, columns))
        return trained.head.outputs(tf, signature, core)

    specs = {
        one.name: tf.TensorSpec([None, *one.shape[1:]], types[one.dtype], name=one.name) for one in signature.inputs
    }
    function = tf.function(serve, autograph=False).get_concrete_function(**specs)
    entry = tf.TensorSpec([None, *encoder.shape], tf.float32, name="x")
    core = tf.function(lambda x: {"y": trained.answer(module.weights, x)}, autograph=False)
    signatures = {"serving_default": function, CORE: core.get_concrete_function(x=entry)}
    tf.saved_model.save(module, str(directory), signatures=signatures)


def tables(encoder: Encoder) -> dict[str, Any]:
    """Lookup tables by the index of their feature."""
    tf = lazy_imports.tensorflow()
    found: dict[str, Any] = {}
    for index, one in enumerate(encoder.encodings):
        make = TF_ENCODINGS[one.spec.kind].table
        table = None if make is None else make(tf, one)
        if table is not None:
            found[str(index)] = table
    return found


def encode(encoder: Encoder, tables: Mapping[str, Any], columns: Mapping[str, Any]) -> Any:
    """Raw columns to the core's input, as `Encoder.encode` does it."""
    tf = lazy_imports.tensorflow()
    parts = [
        TF_ENCODINGS[one.spec.kind].encode(tf, one, tables.get(str(index)), columns[one.spec.name])
        for index, one in enumerate(encoder.encodings)
    ]
    return parts[0] if encoder.whole is not None else tf.concat(parts, axis=1)
