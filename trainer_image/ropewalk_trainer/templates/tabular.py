"""Tabular: dense layers over the encoded columns."""

from __future__ import annotations

from typing import Any

from ropewalk_trainer import loader
from ropewalk_trainer.hyperparameters import COMMON, Sizes, Values

HYPERPARAMETERS = {**COMMON, "hidden": Sizes((64, 32))}


def build(shape: tuple[int, ...], outputs: int, values: Values) -> Any:
    """A keras.Model `[N, width]` -> `[N, outputs]` (logits, or the standardised value)."""
    keras = loader.tensorflow().keras
    penalty = keras.regularizers.L2(values["l2"]) if values["l2"] else None
    inputs = keras.Input(shape)
    x = inputs
    hidden = values["hidden"]
    assert isinstance(hidden, tuple)
    for size in hidden:
        x = keras.layers.Dense(size, activation="relu", kernel_regularizer=penalty)(x)
        if values["dropout"]:
            x = keras.layers.Dropout(values["dropout"])(x)
    return keras.Model(inputs, keras.layers.Dense(outputs)(x))
