"""The champion's answers for the new test rows, from its version in the store: its own encoding, its own network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract.documents.run import Champion
from ropewalk_model import manifest
from ropewalk_model.engines.interface import IDS, Arrays, X
from ropewalk_model.features import Columns, Encoder
from ropewalk_model.ids import IdEncoder
from ropewalk_model.manifest import TamperedModel
from ropewalk_model.signature import NUMPY_DTYPES, Signature
from ropewalk_trainer.data.table import Table
from ropewalk_trainer.errors import PASSED_ON
from ropewalk_trainer.publishing import compiled
from ropewalk_trainer.store import layout
from ropewalk_trainer.training.trained_model import ROWS_AT_ONCE


class Unusable(Exception):
    """The champion cannot be scored any more; the message says why."""


def scores(champion: Champion, rows: Table, classes: tuple[str, ...]) -> NDArray[np.float32]:
    """Probabilities in the order of `classes` (or values) for `rows`. Unusable where it cannot answer for them."""
    directory = layout.local(champion.uri, "status.champion.uri")
    try:
        verified = manifest.verify(directory)
        return _scores(verified, rows, classes)
    except (Unusable, TamperedModel) as error:
        raise Unusable(f"version {champion.version}: {error}") from error
    except PASSED_ON:
        raise
    except Exception as error:  # an engine's, which need have no base in common, or a document's of another release
        raise Unusable(f"version {champion.version} cannot be asked ({str(error)[:100]})") from error


def _scores(verified: manifest.Manifest, rows: Table, classes: tuple[str, ...]) -> NDArray[np.float32]:
    signature = Signature.from_document(verified.read_json(manifest.SIGNATURE))
    features = verified.read_json(manifest.FEATURES)
    encoder, ids = Encoder.from_document(features), IdEncoder.from_document(features)
    if set(signature.classes) != set(classes):
        raise Unusable(f"it has other classes: {', '.join(signature.classes[:10])}")
    _check(encoder, ids, rows.columns)
    encoded: dict[str, NDArray[Any]] = {X: encoder.encode(rows.columns)}
    if ids:
        encoded[IDS] = ids.encode(rows.columns)
    answers = _run(verified, encoded)
    if not classes:
        return answers.reshape(-1)
    order = [signature.classes.index(name) for name in classes]
    return answers[:, order]


def _check(encoder: Encoder, ids: IdEncoder, columns: Columns) -> None:
    """Every feature is there as the champion knows it: some engines and encodings would take another in silence."""
    for spec in encoder.specs:
        if spec.name not in columns:
            raise Unusable(f"it needs the feature {spec.name!r}, which the schema no longer has")
        column = columns[spec.name]
        if column.dtype != NUMPY_DTYPES[spec.dtype] or column.shape[1:] != spec.shape:
            shape = f" of shape {list(spec.shape)}" if spec.shape else ""
            raise Unusable(f"its feature {spec.name!r} is {spec.type}{shape}, which the schema no longer says")
    for one in ids.columns:
        if one.name not in columns:
            raise Unusable(f"it needs the feature {one.name!r}, which the schema no longer has")
        if columns[one.name].dtype != object or columns[one.name].ndim != 1:
            raise Unusable(f"its feature {one.name!r} is a word, which the schema no longer says")


def _run(verified: manifest.Manifest, encoded: Arrays) -> NDArray[np.float32]:
    for engine in verified.engines:
        load = compiled.LOADERS.get(engine.name)
        if load is not None:
            loaded = load(verified.directory / engine.file, engine.outputs)
            run, output = compiled.session_of(loaded), loaded.outputs[0]
            parts = (slice(at, at + ROWS_AT_ONCE) for at in range(0, len(encoded[X]), ROWS_AT_ONCE))
            return np.concatenate([run({name: one[part] for name, one in encoded.items()})[output] for part in parts])
    raise Unusable("none of its engines is known here")
