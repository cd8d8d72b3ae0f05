"""signature.json: inputs, outputs and classes of a model version, as clients see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from ropewalk_model import FORMAT_VERSION, tasks
from ropewalk_model.tasks import SINGLE_TENSOR, Task, TrainedTask
from ropewalk_model.tensor_spec import INT64_MISSING, NUMPY_DTYPES, Dtype, TensorSpec

DEFAULT_NAME = "serving_default"
"""The signature that TensorFlow Serving takes where a request names none."""
METHOD = "tensorflow/serving/"
PREDICT, CLASSIFY, REGRESS = f"{METHOD}predict", f"{METHOD}classify", f"{METHOD}regress"

__all__ = [
    "CLASSIFY",
    "DEFAULT_NAME",
    "INT64_MISSING",
    "METHOD",
    "NUMPY_DTYPES",
    "PREDICT",
    "REGRESS",
    "Dtype",
    "Signature",
    "TensorSpec",
]


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives. `classes` is in the order of `probabilities`, empty for a regression."""

    task: str
    """A name in `ropewalk_model.tasks.TASKS`."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    classes: tuple[str, ...] = ()
    positive: str | None = None
    name: str = DEFAULT_NAME
    method: str = PREDICT
    """What upstream calls a signature's method_name; `:classify` and `:regress` want their own."""
    others: tuple[Signature, ...] = ()
    """Further signatures of an imported model."""

    @cached_property
    def kind(self) -> Task:
        """The task. ValueError where there is none of this name."""
        return tasks.of(self.task)

    @staticmethod
    def for_task(
        task: str, inputs: Sequence[TensorSpec], classes: Sequence[str] = (), positive: str | None = None
    ) -> Signature:
        """The signature with the outputs of a task that Pipelines train. ValueError for another one, whose models name
        their own."""
        kind = tasks.of(task)
        if not isinstance(kind, TrainedTask):
            raise ValueError(f"a model of the task {task!r} names its own outputs")
        return Signature(task, tuple(inputs), kind.outputs(classes), tuple(classes), positive)

    @staticmethod
    def for_tensor(source: TensorSpec, target: TensorSpec) -> Signature:
        """The signature of a model that takes one FLOAT `[N, k]` and gives one FLOAT `[N, m]`."""
        return Signature(SINGLE_TENSOR.name, (source,), (target,))

    def document(self) -> dict[str, Any]:
        """The JSON form: signature.json. What only imported models have is left out where there is nothing of it."""
        more: dict[str, Any] = {}
        if self.name != DEFAULT_NAME:
            more["name"] = self.name
        if self.method != PREDICT:
            more["method"] = self.method
        if self.others:
            more["others"] = [one.document() for one in self.others]
        return {
            "formatVersion": FORMAT_VERSION,
            "task": self.task,
            "inputs": [spec.document() for spec in self.inputs],
            "outputs": [spec.document() for spec in self.outputs],
            "classes": list(self.classes),
            "positive": self.positive,
            **more,
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Signature:
        """Inverse of `document`."""
        return Signature(
            task=document["task"],
            inputs=tuple(TensorSpec.from_document(one) for one in document["inputs"]),
            outputs=tuple(TensorSpec.from_document(one) for one in document["outputs"]),
            classes=tuple(document["classes"]),
            positive=document.get("positive"),
            name=document.get("name", DEFAULT_NAME),
            method=document.get("method", PREDICT),
            others=tuple(Signature.from_document(one) for one in document.get("others", ())),
        )

    @property
    def all(self) -> tuple[Signature, ...]:
        """This one and the others."""
        return (self, *self.others)

    @property
    def width(self) -> int:
        """Columns of the core's output: classes, one value, or the output tensor's own."""
        return self.kind.width(self)

    def answer(self, core: Any) -> dict[str, NDArray[Any]]:
        """Named outputs of what the core gives: `[N, classes]` probabilities, `[N, 1]` values, one tensor or several
        named ones."""
        return self.kind.answer(self, core)
