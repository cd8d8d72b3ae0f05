"""TensorFlow itself, for the networks that no compiled engine takes; only in the image `server-tf`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.operations import forbidden_in
from ropewalk_server.serving.engines import EngineError, Files, Session
from ropewalk_server.serving.engines.freezer import freeze, refuse, tensorflow


class TensorFlow:
    """A SavedModel's network with its weights as constants; sessions share it."""

    def __init__(self, files: Files) -> None:
        """Raises EngineError, with reason ForbiddenOp for a model that reaches out.

        This process never sees the SavedModel, only the graph that another one made of it (freezer.py): what is looked
        at here is what runs.
        """
        frozen = freeze(files)
        tf = tensorflow()
        graph = tf.compat.v1.GraphDef()
        try:
            graph.ParseFromString(frozen.graph)
        except Exception as error:  # protobuf's DecodeError, of either implementation
            raise EngineError(f"TensorFlow cannot read the frozen network: {error}") from error
        operation = forbidden_in(graph)
        if operation is not None:
            raise refuse(operation)
        try:
            whole = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
            self._run = whole.prune(frozen.entry, frozen.exit)
        except (tf.errors.OpError, ValueError, KeyError, TypeError) as error:
            raise EngineError(f"TensorFlow cannot load the network: {str(error)[:300]}") from error
        self._constant = tf.constant
        self._failure = tf.errors.OpError

    def session(self) -> Session:
        """A session for the calling thread."""
        call, constant, failure = self._run, self._constant, self._failure

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            try:
                result: NDArray[np.float32] = call(constant(encoded)).numpy()
            except failure as error:
                raise RuntimeError(f"TensorFlow: {str(error)[:300]}") from error
            return result

        return run
