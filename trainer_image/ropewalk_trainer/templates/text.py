"""Text: the mean of its words' vectors beside the encoded columns of the other features, then dense layers."""

from __future__ import annotations

from collections.abc import Iterator

from ropewalk_model.features import Encoder
from ropewalk_trainer.templates import tabular
from ropewalk_trainer.templates.layers import Network, Span, Stack
from ropewalk_trainer.training.hyperparameters import Number, Values

HYPERPARAMETERS = {
    **tabular.HYPERPARAMETERS,
    "learningRate": Number(0.005, 1e-7, 10.0),
    "embedding": Number(32, 1, 256, whole=True),
}
"""Words' vectors are few numbers in each step, and seldom the same: they want a greater rate than dense layers do."""


def build(encoder: Encoder, outputs: int, values: Values, seed: int) -> Network:
    """`[N, width]` to `[N, outputs]`."""
    stack = Stack(encoder.shape, seed)
    size = values["embedding"]
    assert isinstance(size, int)
    stack.words(list(spans(encoder)), size)
    return tabular.top(stack, outputs, values)


def spans(encoder: Encoder) -> Iterator[Span]:
    """Where the texts are in an encoded row."""
    first = 0
    for one in encoder.encodings:
        last = first + one.width
        ids = one.spec.kind.token_ids(one)
        if ids:
            yield Span(first, last, ids)
        first = last
