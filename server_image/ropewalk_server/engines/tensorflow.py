"""TensorFlow itself, for the networks that no compiled engine takes; only in the image `server-tf`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.operations import forbidden
from ropewalk_server.engines import EngineError, Session

CORE = "core"
"""The SavedModel's signature of the network alone: `x`, encoded rows, to `y`."""


class TensorFlow:
    """A SavedModel's network, its weights made constants; sessions share it."""

    def __init__(self, file: Path) -> None:
        """`file` is `saved_model.pb`. Raises EngineError, with reason ForbiddenOp for a model that reaches out."""
        tf = _module()
        _scan(file)
        try:
            loaded = tf.saved_model.load(str(file.parent))
            from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

            self._run = convert_variables_to_constants_v2(loaded.signatures[CORE])
        except (tf.errors.OpError, ValueError, KeyError, OSError) as error:
            raise EngineError(f"TensorFlow cannot load the network: {str(error)[:300]}") from error
        self._constant = tf.constant

    def session(self) -> Session:
        """A session for the calling thread."""
        call, constant = self._run, self._constant

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            result: NDArray[np.float32] = call(constant(encoded))[0].numpy()
            return result

        return run


def _scan(file: Path) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
    from tensorflow.python.framework import op_def_registry

    def is_stateful(name: str) -> bool | None:
        definition = op_def_registry.get(name)
        return None if definition is None else bool(definition.is_stateful)

    try:
        parsed = SavedModel.FromString(file.read_bytes())
    except Exception as error:  # protobuf's DecodeError, of either implementation
        raise EngineError(f"saved_model.pb is no SavedModel: {error}") from error
    operation = forbidden(parsed, is_stateful)
    if operation is not None:
        text = (
            f"the model's operation {operation} reaches beyond the model (a file, the network or code) and is refused"
        )
        raise EngineError(text, "ForbiddenOp")


def _module() -> Any:
    """TensorFlow, without Keras, on the processors that the pod may use."""
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        import tensorflow as tf
    finally:
        del sys.modules["keras"]
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf
