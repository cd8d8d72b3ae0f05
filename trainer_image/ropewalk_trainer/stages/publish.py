"""Publish: a version's directory, whole, in the run's own folder; the smoke test moves it to its place.

SavedModel, compiled forms that were proved equal to it, baseline, examples, evaluation, and the manifest as the last
file. Nothing of a candidate is served before the smoke test has claimed a number for it.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from ropewalk_contract import reasons
from ropewalk_model import baseline, examples, manifest
from ropewalk_model.engines.interface import Arrays, X, Y
from ropewalk_model.signature import Signature
from ropewalk_model.store import staging
from ropewalk_trainer.context import Context
from ropewalk_trainer.data.table import concatenate
from ropewalk_trainer.errors import PASSED_ON, RunFailure
from ropewalk_trainer.publishing import compiled, edge_cases, equivalence, provenance, savedmodel
from ropewalk_trainer.publishing.compiled import Network

log = logging.getLogger(__name__)
MOST_PROVED = 10_000


def run(context: Context) -> str:
    """Fill in `candidate`; Skipped for a model that is not good enough."""
    if context.blessing == reasons.NOT_BLESSED:
        return "Skipped"
    assert context.encoder is not None
    assert context.trained is not None
    directory = context.files.stage(context.path(f"candidate-a{context.attempt}"))
    (directory / manifest.COMPILED).mkdir(parents=True)
    signature = signature_of(context)
    savedmodel.write(context.trained, context.encoder, signature, directory)
    columns = edge_cases.with_edges(context.encoder, context.splits["test"].take(np.s_[:MOST_PROVED]).columns)
    encoded = context.encoder.encode(columns)
    expected = context.trained.predict(encoded)
    equivalence.encoding(context.encoder, columns, encoded)
    equivalence.saved_model(directory, signature, columns, expected)
    engines, loaded = _engines(context.trained, {X: encoded}, {Y: expected}, directory)
    _write_documents(context, signature, directory)
    document = manifest.build_manifest(
        directory, made_from=provenance.made_from(context), engines=engines, loaded_bytes=loaded
    )
    manifest.write_manifest(directory, document)
    context.candidate = directory
    return "Succeeded"


def signature_of(context: Context) -> Signature:
    """Inputs by the schema's features, outputs by the task."""
    inputs = [column.spec.tensor for column in context.spec.features]
    label = context.spec.label
    return Signature.for_task(label.task.name, inputs, context.classes, label.positive)


def _engines(trained: Network, encoded: Arrays, expected: Arrays, directory: Path) -> tuple[list[dict[str, Any]], int]:
    """What runs the network: compiled forms that are equal, the fastest for one row first, TensorFlow itself last; and
    the memory they take. RunFailure if not even TensorFlow answers from the saved file as training did."""
    found, refused, loaded = compiled_forms(trained, encoded, expected, directory)
    if refused:
        log.warning("engines refused: %s", "; ".join(refused))
    try:
        entry, size = _engine(compiled.TENSORFLOW, directory / "saved_model.pb", directory, encoded, expected)
    except ValueError as error:
        refused.append(f"{compiled.TENSORFLOW}: {error}")
        raise RunFailure(
            reasons.NO_ENGINE, f"no serving engine answers as the model does: {'; '.join(refused)}"
        ) from error
    return [*found, entry], loaded if found else size


def compiled_forms(
    trained: Network, encoded: Arrays, expected: Arrays, directory: Path
) -> tuple[list[dict[str, Any]], list[str], int]:
    """The compiled forms that are equal, the fastest for one row first; why the others are not; the memory of one.

    `encoded` is the core's inputs and `expected` its outputs, both by name.
    """
    found: list[dict[str, Any]] = []
    refused: list[str] = []
    loaded = 0
    for name, (file, write) in compiled.WRITERS.items():
        path = directory / manifest.COMPILED / file
        try:
            write(trained, path)
            entry, size = _engine(name, path, directory, encoded, expected)
        except PASSED_ON:
            raise
        except Exception as error:  # a compiler's own words: whatever it is, TensorFlow remains
            refused.append(f"{name}: {_first_line(error)}")
            for leftover in path.parent.glob(f"{path.stem}.*"):
                staging.remove(leftover)
            continue
        found.append(entry)
        loaded = max(loaded, size)
    found.sort(key=lambda one: int(one["latencyMicros"]["1"]))
    return found, refused, loaded


def _engine(name: str, path: Path, directory: Path, encoded: Arrays, expected: Arrays) -> tuple[dict[str, Any], int]:
    """The manifest's entry for a file that answers as expected, and its memory. ValueError for one that does not."""
    run = compiled.session_of(compiled.LOADERS[name](path))
    proof = compiled.prove(run, encoded, expected)
    if not proof.error <= compiled.TOLERANCE:
        raise ValueError(f"errs by {proof.error:.3g}")
    entry = {
        "name": name,
        "file": str(path.relative_to(directory)),
        "latencyMicros": compiled.latency(run, encoded),
        "error": f"{proof.error:.3g}",
        "outputs": dict(proof.outputs),
    }
    return entry, compiled.loaded_bytes(name, path, encoded)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]


def _write_documents(context: Context, signature: Signature, directory: Path) -> None:
    assert context.encoder is not None
    assert context.trained is not None
    test = context.splits["test"]
    chosen = test.take(np.arange(min(len(test), context.examples)))
    answers = signature.answer(context.trained.predict(context.encoder.encode(chosen.columns)))
    train = context.splits["train"]
    predicted = signature.answer(context.trained.predict(context.encoded["train"]))
    specs = [column.spec for column in context.spec.features]
    # Texts of rows that no word was learnt from: among those of training there are fewer unknown words than in traffic.
    held = concatenate([context.splits["evaluate"], test]).columns
    counted_columns = train.columns | {one.name: held[one.name] for one in specs if one.kind.bins_of_unseen_rows}
    counted = predicted[context.spec.label.task.prediction]
    hidden = [column.spec.name for column in context.spec.features if column.sensitive]
    documents = {
        manifest.FEATURES: context.encoder.document(),
        manifest.SIGNATURE: signature.document(),
        manifest.BASELINE: baseline.build(
            specs,
            counted_columns,
            counted,
            classes=context.classes,
            sensitive=hidden,
            known=context.encoder.known_words,
        ),
        manifest.EVALUATION: context.evaluation,
        manifest.EXAMPLES: examples.build(signature, chosen.columns, answers),
    }
    for path, document in documents.items():
        staging.write(directory / path, json.dumps(document, allow_nan=False).encode())
