"""Publishing's proof that TensorFlow's encoding is ours and that the saved file answers as the trained network does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_model.features import Columns, Encoder
from ropewalk_model.signature import Signature
from ropewalk_model.tasks import TrainedTask
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.errors import RunFailure
from ropewalk_trainer.publishing import savedmodel
from ropewalk_trainer.publishing.compiled import BATCHES, TOLERANCE

FEW = 50


def encoding(encoder: Encoder, columns: Columns, encoded: NDArray[np.float32]) -> None:
    """Both encodings agree to the last bit, edge values included; SkewedEncoding names a feature that does not."""
    got = savedmodel.encode(encoder, savedmodel.tables(encoder), _tensors(encoder, columns)).numpy()
    if np.array_equal(got, encoded):
        return
    if encoder.whole is None and got.shape == encoded.shape:
        place = int(np.argmax((got != encoded).any(axis=0)))
        ends = np.cumsum([one.width for one in encoder.encodings])
        name = encoder.encodings[int(np.searchsorted(ends, place, side="right"))].spec.name
        raise RunFailure(
            reasons.SKEWED_ENCODING, f"TensorFlow encodes {name} differently; it would be served other than trained"
        )
    raise RunFailure(
        reasons.SKEWED_ENCODING, "TensorFlow encodes the rows differently; they would be served other than trained"
    )


def saved_model(directory: Path, signature: Signature, columns: Columns, expected: NDArray[np.float32]) -> None:
    """The saved file itself, loaded anew, answers raw rows as the network answers encoded ones, at every batch size."""
    tf = lazy_imports.tensorflow()
    task = signature.kind
    assert isinstance(task, TrainedTask)
    serve = tf.saved_model.load(str(directory)).signatures["serving_default"]
    for batch in BATCHES:
        rows = len(expected) if batch == max(BATCHES) else min(FEW, len(expected))
        for at in range(len(expected) - rows, len(expected), batch):
            part = {one.name: columns[one.name][at : at + batch] for one in signature.inputs}
            answer = serve(**{one.name: _tensor(tf, one.dtype, part[one.name]) for one in signature.inputs})
            core = answer[task.core].numpy().reshape(-1, signature.width)
            want = expected[at : at + batch]
            error = float(np.max(np.abs(core - want) / np.maximum(1.0, np.abs(want)), initial=0.0))
            if not error <= TOLERANCE:
                raise RunFailure(
                    reasons.SKEWED_MODEL, f"the SavedModel's answers differ from the network's by {error:.3g}"
                )
            if signature.classes:
                _labels(signature, answer, want)


def _labels(signature: Signature, answer: Any, expected: NDArray[np.float32]) -> None:
    """The label is the best class, unless two are equally good."""
    got = [signature.classes.index(word.decode()) for word in answer["label"].numpy()]
    behind = expected.max(axis=1) - expected[np.arange(len(got)), got]
    if behind.max(initial=0.0) > TOLERANCE:
        raise RunFailure(
            reasons.SKEWED_MODEL, "the SavedModel's labels are not the classes of the greatest probability"
        )


def _tensors(encoder: Encoder, columns: Columns) -> dict[str, Any]:
    tf = lazy_imports.tensorflow()
    return {one.spec.name: _tensor(tf, one.spec.dtype, columns[one.spec.name]) for one in encoder.encodings}


def _tensor(tf: Any, dtype: str, column: NDArray[Any]) -> Any:
    return tf.constant(column.tolist(), tf.string) if dtype == "STRING" else tf.constant(column)
