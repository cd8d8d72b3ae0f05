"""Image: convolutions, each halving the picture, then dense layers."""

from __future__ import annotations

from ropewalk_model.features import Encoder
from ropewalk_trainer.templates.layers import Network, Stack
from ropewalk_trainer.training.hyperparameters import COMMON, Sizes, Values

HYPERPARAMETERS = {**COMMON, "filters": Sizes((32, 64)), "hidden": Sizes((64,))}


def build(encoder: Encoder, outputs: int, values: Values, seed: int) -> Network:
    """`[N, H, W, C]` to `[N, outputs]`."""
    stack = Stack(encoder.shape, seed)
    filters, hidden, dropout = values["filters"], values["hidden"], values["dropout"]
    assert isinstance(filters, tuple)
    assert isinstance(hidden, tuple)
    assert isinstance(dropout, float)
    for size in filters:
        stack.convolution(size)
    stack.flatten()
    for size in hidden:
        stack.dense(size)
        stack.dropout(dropout)
    stack.dense(outputs, relu=False)
    return stack.network()
