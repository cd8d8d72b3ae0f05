"""The champion's answers for the new test rows, from its version in the store: its own encoding, its own network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import manifest
from ropewalk_model.features import Encoder
from ropewalk_model.manifest import TamperedModel
from ropewalk_model.signature import Signature
from ropewalk_trainer import compiled, store
from ropewalk_trainer.run_document import Champion
from ropewalk_trainer.table import Table


class Unusable(Exception):
    """The champion cannot be scored any more; the message says why."""


def scores(champion: Champion, rows: Table, classes: tuple[str, ...]) -> NDArray[np.float32]:
    """Probabilities in the order of `classes` (or values) for `rows`. Unusable where it cannot answer for them."""
    directory = store.local(champion.uri, "status.champion.uri")
    try:
        verified = manifest.verify(directory)
    except TamperedModel as error:
        raise Unusable(f"version {champion.version}: {error}") from error
    signature = Signature.from_document(verified.read_json(manifest.SIGNATURE))
    encoder = Encoder.from_document(verified.read_json(manifest.FEATURES))
    if set(signature.classes) != set(classes):
        raise Unusable(f"version {champion.version} has other classes: {', '.join(signature.classes[:10])}")
    absent = [spec.name for spec in encoder.specs if spec.name not in rows.columns]
    if absent:
        raise Unusable(f"version {champion.version} needs the feature {absent[0]!r}, which the schema no longer has")
    try:
        encoded = encoder.encode(rows.columns)
    except (TypeError, ValueError) as error:
        raise Unusable(f"version {champion.version}: its features have other types now ({error})") from error
    answers = _run(verified, encoded)
    if not classes:
        return answers.reshape(-1)
    order = [signature.classes.index(name) for name in classes]
    return answers[:, order]


def _run(verified: manifest.Manifest, encoded: NDArray[np.float32]) -> NDArray[np.float32]:
    for engine in verified.engines:
        run: Any = compiled.LOADERS.get(engine.name)
        if run is not None:
            try:
                answers: NDArray[np.float32] = run(verified.directory / engine.file)(encoded)
            except (RuntimeError, ValueError) as error:
                raise Unusable(f"its network does not take these rows ({str(error)[:100]})") from error
            return answers
    raise Unusable("no engine of the champion is known here")
