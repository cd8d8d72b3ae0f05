"""The SavedModel: raw features in, named answers out, for any TensorFlow Serving; the same encoding in TensorFlow.

Arithmetic is float64 until one last rounding, as in `ropewalk_model.features`, so that the two agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ropewalk_model.features import CLIP, IMAGE_SCALE, Encoder, Encoding
from ropewalk_model.signature import INT64_MISSING, Signature
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.publishing import savedmodel_strings
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
        return _answer(tf, signature, trained.answer(module.weights, encode(encoder, module.tables, columns)))

    specs = {
        one.name: tf.TensorSpec([None, *one.shape[1:]], types[one.dtype], name=one.name) for one in signature.inputs
    }
    function = tf.function(serve, autograph=False).get_concrete_function(**specs)
    entry = tf.TensorSpec([None, *encoder.shape], tf.float32, name="x")
    core = tf.function(lambda x: {"y": trained.answer(module.weights, x)}, autograph=False)
    signatures = {"serving_default": function, CORE: core.get_concrete_function(x=entry)}
    tf.saved_model.save(module, str(directory), signatures=signatures)


def tables(encoder: Encoder) -> dict[str, Any]:
    """Words to codes, by the index of the feature."""
    tf = lazy_imports.tensorflow()
    worded = [(i, one) for i, one in enumerate(encoder.encodings) if one.spec.dtype == "STRING"]
    return {f"{i}": _table(tf, one) for i, one in worded if one.spec.type != "Timestamp"}


def _table(tf: Any, one: Encoding) -> Any:
    words = list(one.vocabulary)
    if one.spec.type == "Text":
        return savedmodel_strings.vocabulary(tf, words)
    codes = list(range(len(words)))
    if one.spec.optional:
        words, codes = [*words, ""], [*codes, len(one.vocabulary) + 1]
    initializer = tf.lookup.KeyValueTensorInitializer(
        tf.constant(words, tf.string), tf.constant(codes, tf.int64), key_dtype=tf.string, value_dtype=tf.int64
    )
    return tf.lookup.StaticHashTable(initializer, default_value=len(one.vocabulary))


def encode(encoder: Encoder, tables: Mapping[str, Any], columns: Mapping[str, Any]) -> Any:
    """Raw columns to the core's input, as `Encoder.encode` does it."""
    tf = lazy_imports.tensorflow()
    if encoder.image is not None:
        return tf.cast(columns[encoder.image.spec.name], tf.float32) * tf.constant(IMAGE_SCALE, tf.float32)
    parts = []
    for index, one in enumerate(encoder.encodings):
        column = columns[one.spec.name]
        if one.standardized:
            parts += _standardize(tf, one, column)
        elif one.spec.dtype == "BOOL":
            parts.append(tf.cast(column, tf.float32)[:, None])
        elif one.spec.type == "Text":
            parts.append(savedmodel_strings.tokens(tf, one, tables[str(index)], column))
        elif one.spec.type == "Timestamp":
            parts += savedmodel_strings.cycles(tf, one, column)
        else:
            parts.append(tf.one_hot(tables[str(index)].lookup(column), one.width, dtype=tf.float32))
    return tf.concat(parts, axis=1)


def _standardize(tf: Any, one: Encoding, column: Any) -> list[Any]:
    wide = tf.cast(column, tf.float64)
    missing = tf.equal(wide, float(INT64_MISSING)) if one.spec.type == "Integer" else tf.math.is_nan(wide)
    scaled = (wide - tf.constant(one.mean, tf.float64)) * tf.constant(one.scale, tf.float64)
    scaled = tf.clip_by_value(scaled, tf.constant(-CLIP, tf.float64), tf.constant(CLIP, tf.float64))
    filled = tf.cast(tf.where(missing, tf.zeros_like(scaled), scaled), tf.float32)[:, None]
    return [filled, tf.cast(missing, tf.float32)[:, None]] if one.spec.optional else [filled]


def _answer(tf: Any, signature: Signature, core: Any) -> Mapping[str, Any]:
    if signature.task == "Regression":
        return {"value": tf.reshape(core, [-1])}
    names = tf.constant(list(signature.classes), tf.string)
    best = tf.argmax(core, axis=1)
    score = tf.reduce_max(core, axis=1)
    return {"label": tf.gather(names, best), "score": score, "probabilities": core}
