"""A version as the trainer published it, its engines compared with each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import examples, manifest
from ropewalk_model.baseline import Baseline
from ropewalk_model.features import Encoder
from ropewalk_model.manifest import Manifest
from ropewalk_model.signature import Signature
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.publishing import compiled


def answers(version: Manifest, engine: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """examples.json and what an engine answers for its rows, by the way that a server goes."""
    document = version.read_json(manifest.EXAMPLES)
    signature = Signature.from_document(version.read_json(manifest.SIGNATURE))
    encoder = Encoder.from_document(version.read_json(manifest.FEATURES))
    file = next(one.file for one in version.engines if one.name == engine)
    columns = examples.columns_of(signature, examples.instances(document))
    core = compiled.LOADERS[engine](version.directory / file).session()(encoder.encode(columns))
    return document, signature.answer(core)


def check_version(version: Manifest) -> None:
    """All engines and the SavedModel give the examples' answers; the manifest says how long they take."""
    assert {one.name for one in version.engines} == {"LiteRT", "OpenVINO", "ONNXRuntime", "TensorFlow"}
    for engine in version.engines:
        assert set(engine.latency_micros) == {"1", "256"}
        document, got = answers(version, engine.name)
        assert examples.disagreement(document, got) is None
    document = version.read_json(manifest.EXAMPLES)
    signature = Signature.from_document(version.read_json(manifest.SIGNATURE))
    tf = lazy_imports.tensorflow()
    columns = examples.columns_of(signature, examples.instances(document))
    serve = tf.saved_model.load(str(version.directory)).signatures["serving_default"]
    saved = serve(**{n: tf.constant(c.tolist() if c.dtype == object else c) for n, c in columns.items()})
    outputs = {name: value.numpy() for name, value in saved.items()}
    if "label" in outputs:
        outputs["label"] = np.array([word.decode() for word in outputs["label"]], dtype=object)
    assert examples.disagreement(document, outputs) is None
    baseline = Baseline.from_document(version.read_json(manifest.BASELINE))
    assert sum(baseline.prediction_counts) == baseline.rows
