"""NamedTensors, stored as "Tensors": any tensors in and out, as the signatures of an imported SavedModel have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ropewalk_model.tasks.base import Answers, Task

if TYPE_CHECKING:
    from ropewalk_model.signature import Signature


class NamedTensors(Task):
    """Named tensors of any dtype and shape, with or without rows: TensorFlow runs it."""

    name = "Tensors"
    named_outputs = True
    finite = False

    def width(self, signature: Signature) -> int:
        """One, by which nothing is measured."""
        return 1

    def answer(self, signature: Signature, core: Any) -> Answers:
        """The tensors that the model gave."""
        return dict(core)


NAMED_TENSORS = NamedTensors()
