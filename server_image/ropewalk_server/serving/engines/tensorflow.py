"""TensorFlow itself, for the networks that no compiled engine takes; only in the image `server-tf`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.engines.interface import Arrays, EngineError, Files, NamedSession, Session, plain
from ropewalk_model.operations import forbidden_in
from ropewalk_server.serving.engines.freezer import freeze, refuse, tensorflow

T = TypeVar("T")
NAME = "TensorFlow"


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
            self._run = whole.prune(list(frozen.inputs.values()), list(frozen.outputs.values()))
        except (tf.errors.OpError, ValueError, KeyError, TypeError) as error:
            raise EngineError(f"TensorFlow cannot load the network: {str(error)[:300]}") from error
        self._inputs, self._outputs = tuple(frozen.inputs), tuple(frozen.outputs)
        self._constant = tf.constant
        self._failure = tf.errors.OpError

    @property
    def inputs(self) -> tuple[str, ...]:
        """The core's inputs."""
        return self._inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """The core's outputs, which have their own names in the SavedModel."""
        return self._outputs

    def session(self) -> Session:
        """A session for the calling thread."""
        plain(NAME, self.inputs, self.outputs)
        call, constant = self._run, self._constant

        def run(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
            result: NDArray[np.float32] = self._told(lambda: call(constant(encoded))[0].numpy())
            return result

        return run

    def named_session(self) -> NamedSession:
        """A session for the calling thread."""
        call, constant, inputs, outputs = self._run, self._constant, self._inputs, self._outputs

        def run(arrays: Arrays) -> dict[str, NDArray[Any]]:
            answer = self._told(lambda: [one.numpy() for one in call(*(constant(arrays[name]) for name in inputs))])
            return dict(zip(outputs, answer, strict=True))

        return run

    def _told(self, work: Callable[[], T]) -> T:
        """TensorFlow's own errors as RuntimeError."""
        try:
            return work()
        except self._failure as error:
            raise RuntimeError(f"TensorFlow: {str(error)[:300]}") from error
