"""A version with five id columns of 4,000 words each, by the trainer's own writers: no run, fixed random weights.

The benchmark `ids5` and tests/server/test_ids.py serve it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import baseline, digests, examples, manifest
from ropewalk_model.features import Encoder, Encoding, FeatureSpec
from ropewalk_model.ids import IdColumn, IdEncoder
from ropewalk_model.signature import Signature
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.publishing import compiled, savedmodel
from ropewalk_trainer.stages import publish

NUMBERS = ("a", "b")
COLUMNS = tuple(f"id{index}" for index in range(5))
WORDS = tuple(f"w{index:04}" for index in range(4000))
CLASSES = ("low", "middle", "high")
SIZE = 8
ROWS = 100


@dataclass(frozen=True)
class Version:
    """Its directory, its manifest's digest, rows as a client sends them and the core's output for them."""

    directory: Path
    digest: str
    rows: list[dict[str, Any]]
    expected: NDArray[np.float32]


def columns() -> dict[str, NDArray[Any]]:
    """ROWS rows by feature: float32 [ROWS] numbers with four digits after the point, and words."""
    random = np.random.default_rng(2)
    return {name: random.normal(size=ROWS).round(4).astype(np.float32) for name in NUMBERS} | {
        name: random.choice(np.array(WORDS, dtype=object), size=ROWS) for name in COLUMNS
    }


def rows() -> list[dict[str, Any]]:
    """The same as a client sends them."""
    values = [one if one.dtype == object else one.astype(np.float64).round(4) for one in columns().values()]
    names = (*NUMBERS, *COLUMNS)
    return [dict(zip(names, row, strict=True)) for row in zip(*(one.tolist() for one in values), strict=True)]


def _module(ids: IdEncoder) -> Any:
    tf = lazy_imports.tensorflow()
    random = np.random.default_rng(1)
    width = len(NUMBERS) + len(COLUMNS) * SIZE
    module = tf.Module()
    module.table = tf.Variable(random.normal(size=(sum(one.size for one in ids.columns), SIZE)).astype(np.float32))
    module.weights = tf.Variable((random.normal(size=(width, len(CLASSES))) / 4).astype(np.float32))
    first = np.cumsum([0, *(one.size for one in ids.columns)])[:-1].astype(np.int32)

    def core(x: Any, ids: Any) -> dict[str, Any]:
        vectors = tf.reshape(tf.gather(module.table, ids + first), [-1, len(COLUMNS) * SIZE])
        return {"y": tf.nn.softmax(tf.linalg.matmul(tf.concat([x, vectors], axis=1), module.weights))}

    entries = [
        tf.TensorSpec([None, len(NUMBERS)], tf.float32, name="x"),
        tf.TensorSpec([None, len(COLUMNS)], tf.int32, name="ids"),
    ]
    module.core = tf.function(core, input_signature=entries, autograph=False)
    return module


def write(directory: Path) -> Version:
    """Write the version into that directory, with everything that a published one has."""
    tf = lazy_imports.tensorflow()
    features = [FeatureSpec(name, "Number") for name in NUMBERS]
    words = [FeatureSpec(name, "Category", optional=True) for name in COLUMNS]
    encoder = Encoder([Encoding(one, mean=0.5, scale=2.0) for one in features])
    ids = IdEncoder([IdColumn(name, WORDS) for name in COLUMNS])
    given = columns()
    module = _module(ids)
    encoded: dict[str, NDArray[Any]] = {"x": encoder.encode(given), "ids": ids.encode(given)}
    expected = {name: one.numpy() for name, one in module.core(**encoded).items()}
    tf.saved_model.save(module, str(directory), signatures={savedmodel.CORE: module.core})
    (directory / manifest.COMPILED).mkdir(parents=True)
    engines, refused, loaded = publish.compiled_forms(module, encoded, expected, directory)
    assert refused == []
    engines.append({"name": compiled.TENSORFLOW, "file": "saved_model.pb", "latencyMicros": {"1": 500, "256": 900}})
    specs = [*features, *words]
    signature = Signature.for_task("Classification", [one.tensor for one in specs], CLASSES)
    answer = signature.answer(expected["y"])
    few = {name: one[:8] for name, one in given.items()}
    documents: dict[str, Any] = {
        manifest.FEATURES: {**encoder.document(), "ids": ids.document()},
        manifest.SIGNATURE: signature.document(),
        manifest.BASELINE: baseline.build(specs, given, answer["label"], classes=CLASSES),
        manifest.EVALUATION: {},
        manifest.EXAMPLES: examples.build(signature, few, {name: one[:8] for name, one in answer.items()}),
    }
    for path, document in documents.items():
        (directory / path).write_bytes(digests.canonical_json(document))
    digest = manifest.write_manifest(
        directory, manifest.build_manifest(directory, made_from={}, engines=engines, loaded_bytes=loaded)
    )
    return Version(directory, digest, rows(), expected["y"])
