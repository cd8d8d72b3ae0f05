"""Small versions with inputs of every kind, compiled by the trainer's own writer: no run, fixed random weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ropewalk_model import baseline, examples, manifest
from ropewalk_model.features import Columns, Encoder, Encoding, FeatureSpec
from ropewalk_model.signature import INT64_MISSING, Signature, TensorSpec
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.publishing import compiled

CLASSES = ("low", "middle", "high")
MIXED, IMAGE, TENSOR, WORDS, NUMBERS = 1, 2, 3, 4, 5
"""Version numbers: scalars of every type, an image, a plain tensor, texts and times, Numbers alone (a regression)."""
SENSITIVE = ("plan", "comment")
SAID = ("Good \u2013 very GOOD!", "not good", "bad caf\u00e9 \U0001f600", "whatever")
ROWS = 32
Core = Callable[[Any], Any]


@dataclass(frozen=True)
class Network:
    """`core`: encoded float32 rows to the core's output."""

    core: Any


def kinds() -> dict[int, tuple[FeatureSpec, ...]]:
    """The features of each version."""
    return {
        MIXED: (
            FeatureSpec("x", "Number"),
            FeatureSpec("y", "Number", optional=True),
            FeatureSpec("n", "Integer"),
            FeatureSpec("m", "Integer", optional=True),
            FeatureSpec("ok", "Boolean"),
            FeatureSpec("plan", "Category", values=("free", "pro")),
            FeatureSpec("note", "Category", optional=True, values=("a", "b")),
        ),
        IMAGE: (FeatureSpec("pixels", "Image", shape=(4, 4, 1)),),
        TENSOR: (FeatureSpec("x", "Tensor", shape=(10,)),),
        WORDS: (
            FeatureSpec("comment", "Text", max_tokens=6),
            FeatureSpec("reply", "Text", optional=True, max_tokens=4),
            FeatureSpec("sent", "Timestamp"),
            FeatureSpec("read", "Timestamp", optional=True),
            FeatureSpec("x", "Number"),
        ),
        NUMBERS: (FeatureSpec("a", "Number"), FeatureSpec("b", "Number")),
    }


def write(root: Path) -> list[dict[str, Any]]:
    """All versions below `root`/claims/zoo; what the routes say of each."""
    return [version(root, number, features, _signature(number, features)) for number, features in kinds().items()]


def version(
    root: Path, number: int, features: Sequence[FeatureSpec], signature: Signature, core: Core | None = None
) -> dict[str, Any]:
    """One version below `root`/claims/zoo; `core` takes encoded rows, a random layer if it is not given."""
    place = root / "claims" / "zoo" / str(number)
    (place / manifest.COMPILED).mkdir(parents=True)
    (place / "saved_model.pb").write_bytes(b"a placeholder: only the compiled form is loaded")
    columns = _columns(features)
    encoder = Encoder([_encoding(one) for one in features])
    network = _network(encoder, core or _layer(encoder, signature))
    encoded = encoder.encode(columns)
    answers = network.core(encoded).numpy()
    file = place / manifest.COMPILED / "litert.tflite"
    compiled.write_litert(network, file)  # type: ignore[arg-type]
    outputs = signature.answer(answers)
    predicted = outputs["label"] if signature.classes else answers.reshape(-1)
    documents: dict[str, Any] = {
        manifest.FEATURES: encoder.document(),
        manifest.SIGNATURE: signature.document(),
        manifest.BASELINE: baseline.build(
            features,
            columns,
            predicted,
            classes=signature.classes,
            sensitive=SENSITIVE,
            known=encoder.known_words,
        ),
        manifest.EVALUATION: {},
        manifest.EXAMPLES: examples.build(signature, columns, outputs),
    }
    for name, document in documents.items():
        (place / name).write_text(json.dumps(document))
    offer = {"name": "LiteRT", "file": f"{manifest.COMPILED}/litert.tflite", "latencyMicros": {"1": 3, "256": 80}}
    manifest.write_manifest(place, manifest.build_manifest(place, made_from={}, engines=[offer]))
    verified = manifest.verify(place)
    uri = f"pvc://zoo/{number}"
    return {"version": number, "uri": uri, "manifestDigest": verified.digest, "digest": verified.model_digest}


def _signature(number: int, features: Sequence[FeatureSpec]) -> Signature:
    inputs = [one.tensor for one in features]
    if number == TENSOR:
        return Signature.for_tensor(inputs[0], TensorSpec("y", "FLOAT", (-1, 3)))
    if number == NUMBERS:
        return Signature.for_task("Regression", inputs)
    return Signature.for_task("Classification", inputs, CLASSES)


def _encoding(feature: FeatureSpec) -> Encoding:
    if feature.type in ("Number", "Integer"):
        return Encoding(feature, mean=1.5, scale=0.5)
    if feature.type == "Timestamp":
        return Encoding(feature, mean=1.7e9, scale=1e-7)
    if feature.type == "Text":
        return Encoding(feature, vocabulary=("good", "bad", "caf\u00e9", "\U0001f600"))
    return Encoding(feature, vocabulary=feature.values or ())


def _columns(features: Sequence[FeatureSpec]) -> Columns:
    random = np.random.default_rng(7)
    found: dict[str, Any] = {}
    for one in features:
        if one.type in ("Number", "Tensor"):
            found[one.name] = random.normal(size=(ROWS, *one.shape)).round(3).astype(np.float32)
        elif one.type == "Integer":
            found[one.name] = random.integers(-5, 5, size=ROWS)
        elif one.type == "Boolean":
            found[one.name] = random.integers(0, 2, size=ROWS).astype(np.bool_)
        elif one.type == "Image":
            found[one.name] = random.integers(0, 256, size=(ROWS, *one.shape)).astype(np.uint8)
        elif one.type == "Timestamp":
            days = random.integers(1, 29, size=ROWS)
            found[one.name] = np.array([f"2026-02-{day:02}T{day % 24:02}:30:00Z" for day in days], dtype=object)
        elif one.type == "Text":
            found[one.name] = np.array([SAID[i] for i in random.integers(0, len(SAID), size=ROWS)], dtype=object)
        else:
            found[one.name] = np.array([one.values[i] for i in random.integers(0, 2, size=ROWS)], dtype=object)  # type: ignore[index]
        if one.optional:
            found[one.name][::4] = {"Number": np.nan, "Integer": INT64_MISSING}.get(one.type, "")
    return found


def _layer(encoder: Encoder, signature: Signature) -> Core:
    tf = lazy_imports.tensorflow()
    size = int(np.prod(encoder.shape))
    weights = tf.constant(np.random.default_rng(8).normal(size=(size, signature.width)).astype(np.float32))
    last = tf.nn.softmax if signature.task == "Classification" else tf.identity
    return lambda x: last(tf.linalg.matmul(tf.reshape(x, [-1, size]), weights))


def _network(encoder: Encoder, core: Core) -> Network:
    tf = lazy_imports.tensorflow()
    entry = tf.TensorSpec([None, *encoder.shape], tf.float32, name="x")
    return Network(tf.function(core, input_signature=[entry], autograph=False))
