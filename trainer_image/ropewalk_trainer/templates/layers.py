"""Networks as plain functions of their weights: the same function trains on variables and is compiled on constants.

No Keras: its import takes most of a second, and a run of a small table takes eight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.text import PADDING
from ropewalk_trainer import lazy_imports

SMALL = 0.05
"""Bound of words' vectors before training: one that is hardly ever seen stays near to nothing."""
Weights = list[NDArray[np.float32]]
Layer = Callable[[Any, Sequence[Any], Any], Any]
"""(tensor, this layer's weights, seed or None) -> tensor. A seed, int32 [2], means that dropout is on."""


class Span(NamedTuple):
    """The columns of an encoded row, from `first` to before `last`, that hold a text's token ids, below `ids`."""

    first: int
    last: int
    ids: int


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
            tf = lazy_imports.tensorflow()
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
            tf = lazy_imports.tensorflow()
            y = tf.nn.relu(tf.nn.conv2d(x, weights[0], strides=1, padding="SAME") + weights[1])
            return tf.nn.max_pool2d(y, 2, 2, padding="VALID") if halve else y

        self._add(layer, (3, 3, channels, filters), 9 * channels, 9 * filters)
        self.shape = (height // 2, width // 2, filters) if halve else (height, width, filters)

    def words(self, texts: Sequence[Span], size: int) -> None:
        """Token ids become vectors of `size` that are learnt, and each text the mean of its words' (zeros without any);
        they follow the other columns."""
        tables, starts = [], [0]
        for text in texts:
            tables.append(len(self._weights))
            self._kernels.append(len(self._weights))
            table = self._random.uniform(-SMALL, SMALL, (text.ids, size))
            table[PADDING] = 0.0
            self._weights.append(table.astype(np.float32))
            starts.append(text.last)
        others = [
            (first, last)
            for first, last in zip(starts, [*(text.first for text in texts), self.shape[0]], strict=True)
            if first < last
        ]

        def layer(x: Any, weights: Sequence[Any], seed: Any) -> Any:
            tf = lazy_imports.tensorflow()
            parts = [x[:, first:last] for first, last in others]
            for text, table in zip(texts, weights, strict=True):
                ids = tf.cast(x[:, text.first : text.last], tf.int32)
                there = tf.cast(ids > PADDING, tf.float32)
                vectors = tf.gather(table, ids)
                if seed is not None:  # without a gradient the vector of padding stays zero, and is in no sum
                    vectors *= there[:, :, None]
                parts.append(
                    tf.reduce_sum(vectors, axis=1) / tf.maximum(tf.reduce_sum(there, axis=1, keepdims=True), 1.0)
                )
            return tf.concat(parts, axis=1)

        self._layers.append((layer, tables[0], tables[-1] + 1))
        self.shape = (sum(last - first for first, last in others) + size * len(texts),)

    def flatten(self) -> None:
        """One row of numbers."""
        size = math.prod(self.shape)
        self._layers.append((lambda x, weights, seed: lazy_imports.tensorflow().reshape(x, [-1, size]), 0, 0))
        self.shape = (size,)

    def dropout(self, rate: float) -> None:
        """While training, each number is left out with this probability and the others grow accordingly."""
        if not rate:
            return
        number = len(self._layers)

        def layer(x: Any, weights: Sequence[Any], seed: Any) -> Any:
            if seed is None:
                return x
            tf = lazy_imports.tensorflow()
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
