"""Image: convolutions, each halving the picture, then dense layers."""

from __future__ import annotations

from typing import Any

from ropewalk_trainer import loader
from ropewalk_trainer.hyperparameters import COMMON, Sizes, Values

HYPERPARAMETERS = {**COMMON, "filters": Sizes((32, 64)), "hidden": Sizes((64,))}


def build(shape: tuple[int, ...], outputs: int, values: Values) -> Any:
    """A keras.Model `[N, H, W, C]` -> `[N, outputs]` (logits, or the standardised value)."""
    keras = loader.tensorflow().keras
    penalty = keras.regularizers.L2(values["l2"]) if values["l2"] else None
    inputs = keras.Input(shape)
    x = inputs
    filters, hidden = values["filters"], values["hidden"]
    assert isinstance(filters, tuple)
    assert isinstance(hidden, tuple)
    for size in filters:
        x = keras.layers.Conv2D(size, 3, padding="same", activation="relu", kernel_regularizer=penalty)(x)
        if min(x.shape[1:3]) >= 2:
            x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Flatten()(x)
    for size in hidden:
        x = keras.layers.Dense(size, activation="relu", kernel_regularizer=penalty)(x)
        if values["dropout"]:
            x = keras.layers.Dropout(values["dropout"])(x)
    return keras.Model(inputs, keras.layers.Dense(outputs)(x))
