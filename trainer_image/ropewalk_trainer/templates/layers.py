"""Networks as plain functions of their weights: the same function trains on variables and is compiled on constants.

No Keras: its import takes most of a second, and a run of a small table takes eight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_trainer import loader

Weights = list[NDArray[np.float32]]
Layer = Callable[[Any, Sequence[Any], Any], Any]
"""(tensor, this layer's weights, seed or None) -> tensor. A seed, int32 [2], means that dropout is on."""


@dataclass(frozen=True)
class Network:
    """`apply(weights, x, seed)`: `[N, *shape]` to logits or a standardised value `[N, outputs]`."""

    shape: tuple[int, ...]
    initial: Weights
    kernels: tuple[int, ...]
    """Which weights the hyperparameter l2 is about."""
    layers: tuple[tuple[Layer, int, int], ...]

    @property
    def parameters(self) -> int:
        """How many numbers are learnt."""
        return sum(one.size for one in self.initial)

    def apply(self, weights: Sequence[Any], x: Any, seed: Any = None) -> Any:
        """Run all layers."""
        for layer, first, last in self.layers:
            x = layer(x, weights[first:last], seed)
        return x


class Stack:
    """Builds a Network layer by layer; `shape` is that of one row at the present end."""

    def __init__(self, shape: tuple[int, ...], seed: int) -> None:
        self.shape = self._entry = shape
        self._random = np.random.default_rng(seed)
        self._weights: Weights = []
        self._kernels: list[int] = []
        self._layers: list[tuple[Layer, int, int]] = []

    def dense(self, size: int, *, relu: bool = True) -> None:
        """x @ kernel + bias, then relu."""

        def layer(x: Any, weights: Sequence[Any], seed: Any) -> Any:
            tf = loader.tensorflow()
            y = tf.matmul(x, weights[0]) + weights[1]
            return tf.nn.relu(y) if relu else y

        width = self.shape[0]
        self._add(layer, (width, size), width, size)
        self.shape = (size,)

    def convolution(self, filters: int) -> None:
        """3x3, same size, relu; then the picture is halved where it is large enough."""
        height, width, channels = self.shape
        halve = min(height, width) >= 2

        def layer(x: Any, weights: Sequence[Any], seed: Any) -> Any:
            tf = loader.tensorflow()
            y = tf.nn.relu(tf.nn.conv2d(x, weights[0], strides=1, padding="SAME") + weights[1])
            return tf.nn.max_pool2d(y, 2, 2, padding="VALID") if halve else y

        self._add(layer, (3, 3, channels, filters), 9 * channels, 9 * filters)
        self.shape = (height // 2, width // 2, filters) if halve else (height, width, filters)

    def flatten(self) -> None:
        """One row of numbers."""
        size = math.prod(self.shape)
        self._layers.append((lambda x, weights, seed: loader.tensorflow().reshape(x, [-1, size]), 0, 0))
        self.shape = (size,)

    def dropout(self, rate: float) -> None:
        """While training, each number is left out with this probability and the others grow accordingly."""
        if not rate:
            return
        number = len(self._layers)

        def layer(x: Any, weights: Sequence[Any], seed: Any) -> Any:
            if seed is None:
                return x
            tf = loader.tensorflow()
            drawn = tf.random.stateless_uniform(tf.shape(x), seed + tf.constant([number, 0]))
            return tf.where(drawn >= rate, x / (1.0 - rate), tf.zeros_like(x))

        self._layers.append((layer, 0, 0))

    def network(self) -> Network:
        """What was built."""
        return Network(self._entry, self._weights, tuple(self._kernels), tuple(self._layers))

    def _add(self, layer: Layer, kernel: tuple[int, ...], fan_in: int, fan_out: int) -> None:
        """Kernel uniform as Glorot and Bengio (2010), equation 16; bias zero."""
        bound = math.sqrt(6.0 / (fan_in + fan_out))
        first = len(self._weights)
        self._kernels.append(first)
        self._weights.append(self._random.uniform(-bound, bound, kernel).astype(np.float32))
        self._weights.append(np.zeros(kernel[-1], dtype=np.float32))
        self._layers.append((layer, first, first + 2))
