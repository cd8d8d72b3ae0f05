"""The training loop: one epoch is one call of one compiled graph, since small tables are all overhead otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_trainer import lazy_imports
from ropewalk_trainer.errors import InvalidSpec
from ropewalk_trainer.templates.layers import Network, Weights
from ropewalk_trainer.tf_head.base import TfHead
from ropewalk_trainer.training.trained_model import ROWS_AT_ONCE

LEAST_GAIN = 1e-6
Report = Callable[[int, int, float, float], None]
"""(epoch, epochs, loss on the evaluate split, seconds left)."""


@dataclass(frozen=True)
class Rows:
    """Encoded rows with targets (class indices int32, or standardised values float32) and weights of mean 1."""

    x: NDArray[np.float32]
    y: NDArray[Any]
    w: NDArray[np.float32]


@dataclass(frozen=True)
class Settings:
    """How to train."""

    head: TfHead
    epochs: int
    batch: int
    rate: float
    l2: float
    seed: int
    patience: int
    """Epochs without a better one before the end; 0 for never."""
    by_accuracy: bool = False


@dataclass
class Fit:
    """The weights of the best epoch, which one it was, and every epoch's loss on the evaluate split."""

    weights: Weights
    best_epoch: int = 0
    losses: list[float] = field(default_factory=list)


def fit(network: Network, train: Rows, held: Rows, settings: Settings, report: Report) -> Fit:
    """Train with Adam, judge every epoch on `held`, keep the best. InvalidSpec where the loss leaves the numbers."""
    tf = lazy_imports.tensorflow()
    weights = [tf.Variable(one) for one in network.initial]
    epoch_of = _epoch(network, weights, train, settings)
    judge = _judge(network, weights, held, settings.head)
    random = np.random.default_rng(settings.seed)
    found = Fit(list(network.initial))
    best, began = np.inf, time.monotonic()
    for epoch in range(1, settings.epochs + 1):
        epoch_of(tf.constant(random.permutation(len(train.x)).astype(np.int32)))
        loss, accuracy = judge()
        if not np.isfinite(loss):
            remedy = f"the loss is no number after epoch {epoch}; give a lower one"
            raise InvalidSpec("spec.train.hyperparameters[learningRate]", settings.rate, remedy)
        found.losses.append(loss)
        score = -accuracy if settings.by_accuracy else loss
        if score < best - LEAST_GAIN:
            best, found.best_epoch, found.weights = score, epoch, [one.numpy() for one in weights]
        report(epoch, settings.epochs, loss, (time.monotonic() - began) / epoch * (settings.epochs - epoch))
        if settings.patience and epoch - found.best_epoch >= settings.patience:
            break
    return found


def _epoch(network: Network, weights: list[Any], rows: Rows, settings: Settings) -> Any:
    tf = lazy_imports.tensorflow()
    x, y, w = tf.constant(rows.x), tf.constant(rows.y), tf.constant(rows.w)
    count, batch = len(rows.x), min(settings.batch, len(rows.x))
    update, steps = _adam(tf, weights, settings.rate)

    def step(at: Any, order: Any) -> Any:
        chosen = order[at : at + batch]
        seed = tf.stack([settings.seed, steps.read_value()])
        with tf.GradientTape() as tape:
            output = network.apply(weights, tf.gather(x, chosen), seed)
            loss = tf.reduce_mean(settings.head.losses(tf, output, tf.gather(y, chosen)) * tf.gather(w, chosen))
            if settings.l2:
                loss += settings.l2 * tf.add_n([tf.reduce_sum(tf.square(weights[i])) for i in network.kernels])
        update(tape.gradient(loss, weights))
        return at + batch

    def epoch(order: Any) -> Any:
        return tf.while_loop(
            lambda at: at < count, lambda at: (step(at, order),), (tf.constant(0),), parallel_iterations=1
        )

    return tf.function(epoch, autograph=False)


def _adam(tf: Any, weights: list[Any], rate: float) -> tuple[Callable[[list[Any]], None], Any]:
    """Adam and its count of steps: Kingma and Ba (2015), algorithm 1 in the efficient order of section 2."""
    first, second, epsilon = 0.9, 0.999, 1e-7
    steps = tf.Variable(0, dtype=tf.int32)
    means = [tf.Variable(tf.zeros_like(one)) for one in weights]
    squares = [tf.Variable(tf.zeros_like(one)) for one in weights]

    def update(gradients: list[Any]) -> None:
        count = tf.cast(steps.assign_add(1), tf.float32)
        size = rate * tf.sqrt(1.0 - tf.pow(second, count)) / (1.0 - tf.pow(first, count))
        for weight, mean, square, gradient in zip(weights, means, squares, gradients, strict=True):
            dense = tf.convert_to_tensor(gradient)  # of words' vectors it comes in slices
            m = mean.assign(first * mean + (1.0 - first) * dense)
            v = square.assign(second * square + (1.0 - second) * tf.square(dense))
            weight.assign_sub(size * m / (tf.sqrt(v) + epsilon))

    return update, steps


def _judge(network: Network, weights: list[Any], rows: Rows, head: TfHead) -> Callable[[], tuple[float, float]]:
    """A function that gives the mean loss and the accuracy on these rows."""
    tf = lazy_imports.tensorflow()

    def sums(x: Any, y: Any) -> Any:
        output = network.apply(weights, x)
        return tf.stack([tf.reduce_sum(head.losses(tf, output, y)), head.hits(tf, output, y)])

    kind = head.target_dtype(tf)
    shapes = [tf.TensorSpec([None, *network.shape], tf.float32), tf.TensorSpec([None], kind)]
    graph = tf.function(sums, input_signature=shapes, autograph=False)
    starts = range(0, len(rows.x), ROWS_AT_ONCE)
    parts = [
        (tf.constant(rows.x[at : at + ROWS_AT_ONCE]), tf.constant(rows.y[at : at + ROWS_AT_ONCE])) for at in starts
    ]

    def judge() -> tuple[float, float]:
        whole = np.array([graph(x, y).numpy() for x, y in parts], dtype=np.float64)
        return float(whole[:, 0].sum()) / len(rows.x), float(whole[:, 1].sum()) / len(rows.x)

    return judge
