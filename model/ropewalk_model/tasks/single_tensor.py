"""SingleTensor, stored as "Tensor": one float tensor in, one out, named by an imported model; nothing interprets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ropewalk_model.tasks.base import Answers, Task

if TYPE_CHECKING:
    from ropewalk_model.signature import Signature


class SingleTensor(Task):
    """float32 [N, k] or more sizes in, float32 [N, m] out: any compiled engine runs it."""

    name = "Tensor"
    plain = True
    finite = False

    def width(self, signature: Signature) -> int:
        """Columns of the output tensor."""
        return signature.outputs[0].shape[1]

    def answer(self, signature: Signature, core: Any) -> Answers:
        """The core's output under its name."""
        return {signature.outputs[0].name: core}


SINGLE_TENSOR = SingleTensor()
