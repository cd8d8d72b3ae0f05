"""Publish: a version's directory, whole, in the run's own folder; the smoke test moves it to its place.

SavedModel, compiled forms that were proved equal to it, baseline, examples, evaluation, and the manifest as the last
file. Nothing of a candidate is served before the smoke test has claimed a number for it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import baseline, examples, manifest
from ropewalk_model.features import Encoder
from ropewalk_model.signature import Signature
from ropewalk_trainer import compiled, facts, loader, savedmodel, store
from ropewalk_trainer.context import Context
from ropewalk_trainer.errors import RunFailure
from ropewalk_trainer.stages.evaluate import predict
from ropewalk_trainer.table import Table

MOST_PROVED = 10_000


def run(context: Context) -> str:
    """Fill in `candidate`; Skipped for a model that is not good enough."""
    if context.blessing == "NotBlessed":
        return "Skipped"
    assert context.encoder is not None
    directory = context.directory / f"candidate-a{context.attempt}"
    shutil.rmtree(directory, ignore_errors=True)
    (directory / manifest.COMPILED).mkdir(parents=True)
    signature = signature_of(context)
    savedmodel.write(context.network, context.encoder, signature, directory)
    encoded = context.encoded["test"][:MOST_PROVED]
    expected = predict(context.network, encoded)
    _prove_savedmodel(directory, signature, context.splits["test"].take(np.arange(len(encoded))), expected)
    engines = _engines(context.network, context.encoder, encoded, expected, directory)
    _write_documents(context, signature, directory)
    document = manifest.build_manifest(
        directory, made_from=facts.made_from(context), engines=engines, loaded_bytes=_loaded_bytes(directory)
    )
    manifest.write_manifest(directory, document)
    context.candidate = directory
    return "Succeeded"


def signature_of(context: Context) -> Signature:
    """Inputs by the schema's features, outputs by the task."""
    inputs = [column.spec.tensor for column in context.spec.features]
    if context.spec.label.classification:
        return Signature.for_task("Classification", inputs, context.classes, context.spec.label.positive)
    return Signature.for_task("Regression", inputs)


def _prove_savedmodel(directory: Path, signature: Signature, rows: Table, expected: NDArray[np.float32]) -> None:
    """The saved file itself, loaded anew, must answer raw rows as the network answers encoded ones."""
    tf = loader.tensorflow()
    serve = tf.saved_model.load(str(directory)).signatures["serving_default"]
    columns = {}
    for one in signature.inputs:
        column = rows.columns[one.name]
        columns[one.name] = tf.constant(column.tolist() if one.dtype == "STRING" else column)
    got = serve(**columns)
    core = got["probabilities"].numpy() if signature.classes else got["value"].numpy().reshape(-1, 1)
    error = float(np.max(np.abs(core - expected) / np.maximum(1.0, np.abs(expected)), initial=0.0))
    if not error <= compiled.TOLERANCE:
        raise RunFailure("SkewedEncoding", f"the SavedModel answers differ from the network's by {error:.3g}")


def _engines(
    network: Any, encoder: Encoder, encoded: NDArray[np.float32], expected: NDArray[np.float32], directory: Path
) -> list[dict[str, Any]]:
    """Compile for every engine, keep those that are equal, the fastest for one row first."""
    found, refused = [], []
    for name, (file, write) in compiled.WRITERS.items():
        path = directory / manifest.COMPILED / file
        write(network, encoder.shape, path)
        run_engine = compiled.LOADERS[name](path)
        error = compiled.prove(run_engine, encoded, expected)
        if error <= compiled.TOLERANCE:
            latency = compiled.latency(run_engine, encoded)
            relative = f"{manifest.COMPILED}/{file}"
            found.append({"name": name, "file": relative, "latencyMicros": latency, "error": f"{error:.3g}"})
        else:
            refused.append(f"{name} errs by {error:.3g}")
            for leftover in path.parent.glob(f"{path.stem}.*"):
                leftover.unlink()
    if not found:
        raise RunFailure("NoEngine", f"no serving engine answers as the model does: {', '.join(refused)}")
    return sorted(found, key=lambda one: one["latencyMicros"]["1"])


def _write_documents(context: Context, signature: Signature, directory: Path) -> None:
    assert context.encoder is not None
    test = context.splits["test"]
    chosen = test.take(np.arange(min(len(test), context.examples)))
    answers = signature.answer(predict(context.network, context.encoder.encode(chosen.columns)))
    train = context.splits["train"]
    predicted = signature.answer(predict(context.network, context.encoded["train"]))
    specs = [column.spec for column in context.spec.features]
    counted = predicted["label"] if context.classes else predicted["value"]
    documents = {
        manifest.FEATURES: context.encoder.document(),
        manifest.SIGNATURE: signature.document(),
        manifest.BASELINE: baseline.build(specs, train.columns, counted, classes=context.classes),
        manifest.EVALUATION: context.evaluation,
        manifest.EXAMPLES: examples.build(signature, chosen.columns, answers),
    }
    for path, document in documents.items():
        store.write_atomically(directory / path, json.dumps(document, allow_nan=False).encode())


def _loaded_bytes(directory: Path) -> int:
    """What a server needs for it: the larger of the compiled forms, twice (file and arena)."""
    return 2 * max((path.stat().st_size for path in (directory / manifest.COMPILED).iterdir()), default=0)
