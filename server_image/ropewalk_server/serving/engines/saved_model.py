"""A whole SavedModel, all its signatures by name: for imported models that no compiled engine takes.

Another process tries it first (`trial`): what makes TensorFlow crash, spin or swell does so there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.signature import NUMPY_DTYPES, Signature
from ropewalk_server.serving.engines import EngineError, Files, Uncomputable, freezer, trial

Arrays = Mapping[str, NDArray[Any]]
SERVE = "serve"


class SavedModel:
    """A loaded SavedModel; calls may come from any thread."""

    def __init__(self, files: Files, signatures: Sequence[Signature]) -> None:
        """Raises EngineError, with reason ForbiddenOp for a model that reaches out."""
        with tempfile.TemporaryDirectory(prefix="savedmodel-") as place:
            # One copy for the trial and for this process: nobody can change in between what was tried.
            size = freezer.copy(files, Path(place), documents=True)
            trial.attempt(Path(place), size)
            tf = freezer.tensorflow()
            try:
                loaded = tf.saved_model.load(place, tags=[SERVE])
                self._functions = {one.name: loaded.signatures[one.name] for one in signatures}
            except (tf.errors.OpError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
                raise EngineError(f"TensorFlow cannot load the SavedModel: {str(error)[:300]}") from error
        self._loaded = loaded
        self._outputs = {one.name: one.outputs for one in signatures}
        self._tf = tf

    def call(self, name: str, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """What the signature answers. Uncomputable where it does not take the inputs, RuntimeError where it fails."""
        tf = self._tf
        try:
            tensors = {
                key: tf.constant(one.tolist(), tf.string, shape=one.shape) if one.dtype == object else tf.constant(one)
                for key, one in inputs.items()
            }
            answer = self._functions[name](**tensors)
            return {
                spec.name: np.asarray(answer[spec.name].numpy(), dtype=NUMPY_DTYPES[spec.dtype])
                for spec in self._outputs[name]
            }
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError) as error:
            raise Uncomputable(_words(error.message)) from error
        except UnicodeDecodeError as error:  # its words hold bytes of an input, and it fails to make them text
            raise Uncomputable(_words(error.object.decode(errors="replace"))) from error
        except tf.errors.OpError as error:
            raise RuntimeError(f"TensorFlow: {str(error)[:300]}") from error


def _words(message: str) -> str:
    """TensorFlow's own words without where in the graph that was, which stands in lines before them and after `[[`."""
    before = [one.strip() for one in message.split("[[{{")[0].splitlines() if one.strip()]
    return f"The model does not take these inputs: {before[-1] if before else ''}"[:300]
