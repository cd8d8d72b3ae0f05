"""Tabular: dense layers over the encoded columns."""

from __future__ import annotations

from ropewalk_model.features import Encoder
from ropewalk_trainer.templates.layers import Network, Stack
from ropewalk_trainer.training.hyperparameters import COMMON, Sizes, Values

HYPERPARAMETERS = {**COMMON, "hidden": Sizes((64, 32))}


def build(encoder: Encoder, outputs: int, values: Values, seed: int) -> Network:
    """`[N, width]` to `[N, outputs]`."""
    return top(Stack(encoder.shape, seed), outputs, values)


def top(stack: Stack, outputs: int, values: Values) -> Network:
    """Dense layers on what is stacked already."""
    hidden, dropout = values["hidden"], values["dropout"]
    assert isinstance(hidden, tuple)
    assert isinstance(dropout, float)
    for size in hidden:
        stack.dense(size)
        stack.dropout(dropout)
    stack.dense(outputs, relu=False)
    return stack.network()
