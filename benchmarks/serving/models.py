"""The networks of the comparison, with weights of a fixed seed, as every server wants them.

`write(NAME, directory)` gives `saved_model/` (one signature, one input, one output: what the peers serve) and
`version/`, the same made a version of ours. MLP 10-64-64-3, a small CNN over 28x28 floats, and `table`: the MLP over
ten named numbers with a baseline, which only ours knows. `ids5` (`ids_version`) is a version of ours alone, with the
core's output for its rows in `expected.npy`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving import ids_version
from ropewalk_model import baseline, examples, manifest
from ropewalk_model.features import Encoder, Encoding, FeatureSpec
from ropewalk_model.signature import Signature, TensorSpec
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.publishing import compiled

SEED = 7
SHAPES: dict[str, tuple[int, ...]] = {"mlp": (10,), "cnn": (28, 28, 1), "table": (10,)}
IDS = "ids5"
CLASSES = {"mlp": 3, "cnn": 10, "table": 3, IDS: len(ids_version.CLASSES)}
"""Of all models that are written."""
EXPECTED = "expected.npy"
NAMES = [f"x{index}" for index in range(10)]
"""The table's features."""


@dataclass(frozen=True)
class Network:
    """`core`: float32 [N, *shape] to probabilities [N, classes]."""

    core: Any


def rows(name: str, count: int) -> NDArray[np.float32]:
    """The requests' rows, with four digits after the point."""
    random = np.random.default_rng(SEED)
    return random.normal(size=(count, *SHAPES[name])).round(4).astype(np.float32)


def body(name: str, count: int) -> bytes:
    """A row-form request with that many rows; of ids5, at most 100."""
    if name == IDS:
        return _body(ids_version.rows()[:count])
    wide = rows(name, count).astype(np.float64).round(4).tolist()
    instances = [dict(zip(NAMES, row, strict=True)) for row in wide] if name == "table" else wide
    return _body(instances)


def _body(instances: list[Any]) -> bytes:
    return json.dumps({"instances": instances}, separators=(",", ":")).encode()


def write(name: str, directory: Path) -> None:
    """Both forms, below `directory`."""
    if name == IDS:
        np.save(directory / EXPECTED, ids_version.write(directory / "version").expected)
        return
    tf = lazy_imports.tensorflow()
    network, variables = (_cnn if name == "cnn" else _mlp)(tf)
    module = tf.Module()
    module.variables_ = variables
    entry = tf.TensorSpec([None, *SHAPES[name]], tf.float32, name="x")
    serve = tf.function(lambda x: {"y": network(variables, x)}, autograph=False).get_concrete_function(x=entry)
    tf.saved_model.save(module, str(directory / "saved_model"), signatures={"serving_default": serve})
    constants = [tf.constant(one.numpy()) for one in variables]
    core = tf.function(lambda x: network(constants, x), input_signature=[entry], autograph=False)
    _version(name, Network(core), directory)


def _version(name: str, network: Network, directory: Path) -> None:
    place = directory / "version"
    (place / manifest.COMPILED).mkdir(parents=True)
    for path in (directory / "saved_model").rglob("*"):
        if path.is_file() and path.name != "fingerprint.pb":
            target = place / path.relative_to(directory / "saved_model")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    data = rows(name, 512)
    expected = network.core(data).numpy()
    classes: tuple[str, ...] = ()
    columns: dict[str, Any] = {"x": data}
    if name == "table":
        features = [FeatureSpec(one, "Number") for one in NAMES]
        classes = tuple("abc")
        signature = Signature.for_task("Classification", [one.tensor for one in features], classes)
        columns = dict(zip(NAMES, data.T, strict=True))
    else:
        features = [FeatureSpec("x", "Tensor", shape=SHAPES[name])]
        signature = Signature.for_tensor(features[0].tensor, TensorSpec("y", "FLOAT", (-1, CLASSES[name])))
    answer = signature.answer(expected)
    predicted = answer["label"] if classes else expected.reshape(-1)
    engines = []
    for engine, (file, convert) in compiled.WRITERS.items():
        path = place / manifest.COMPILED / file
        convert(network, path)  # type: ignore[arg-type]
        run = compiled.session_of(compiled.LOADERS[engine](path))
        proof = compiled.prove(run, {"x": data}, {"y": expected})
        assert proof.error <= compiled.TOLERANCE, (engine, proof.error)
        entry = {"name": engine, "file": f"{manifest.COMPILED}/{file}", "outputs": dict(proof.outputs)}
        engines.append({**entry, "latencyMicros": compiled.latency(run, {"x": data})})
    documents: dict[str, Any] = {
        manifest.FEATURES: Encoder([Encoding(one) for one in features]).document(),
        manifest.SIGNATURE: signature.document(),
        manifest.BASELINE: baseline.build(features, columns, predicted, classes=classes),
        manifest.EVALUATION: {},
        manifest.EXAMPLES: examples.build(
            signature,
            {key: values[:8] for key, values in columns.items()},
            {key: values[:8] for key, values in answer.items()},
        ),
    }
    for path_text, document in documents.items():
        (place / path_text).write_text(json.dumps(document))
    engines.sort(key=lambda one: one["latencyMicros"]["1"])
    manifest.write_manifest(place, manifest.build_manifest(place, made_from={}, engines=engines))


def _mlp(tf: Any) -> tuple[Callable[[Any, Any], Any], list[Any]]:
    weights = _weights(tf, (10, 64), (64,), (64, 64), (64,), (64, 3), (3,))

    def network(w: Any, x: Any) -> Any:
        hidden = tf.nn.relu(tf.linalg.matmul(x, w[0]) + w[1])
        hidden = tf.nn.relu(tf.linalg.matmul(hidden, w[2]) + w[3])
        return tf.nn.softmax(tf.linalg.matmul(hidden, w[4]) + w[5])

    return network, weights


def _cnn(tf: Any) -> tuple[Callable[[Any, Any], Any], list[Any]]:
    weights = _weights(tf, (3, 3, 1, 16), (16,), (3, 3, 16, 32), (32,), (1568, 10), (10,))

    def network(w: Any, x: Any) -> Any:
        hidden = tf.nn.relu(tf.nn.conv2d(x, w[0], 1, "SAME") + w[1])
        hidden = tf.nn.max_pool2d(hidden, 2, 2, "VALID")
        hidden = tf.nn.relu(tf.nn.conv2d(hidden, w[2], 1, "SAME") + w[3])
        hidden = tf.nn.max_pool2d(hidden, 2, 2, "VALID")
        return tf.nn.softmax(tf.linalg.matmul(tf.reshape(hidden, [-1, 1568]), w[4]) + w[5])

    return network, weights


def _weights(tf: Any, *shapes: tuple[int, ...]) -> list[Any]:
    random = np.random.default_rng(SEED)
    made = []
    for shape in shapes:
        fan = max(1, int(np.prod(shape[:-1])))
        made.append(tf.Variable((random.normal(size=shape) / np.sqrt(fan)).astype(np.float32)))
    return made
