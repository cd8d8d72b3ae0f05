"""Train: fit the template's network, stop early on the evaluate split, keep the best epoch.

An epoch is one call of one compiled graph: Keras' own loop costs more than the arithmetic of a small table.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_trainer import hyperparameters, loader
from ropewalk_trainer.context import Context
from ropewalk_trainer.errors import InvalidSpec, TryAgain
from ropewalk_trainer.templates import TEMPLATES


def run(context: Context) -> str:
    """Fill in `network` and `training`."""
    spec = context.spec
    template = TEMPLATES.get(spec.template)
    if template is None:
        raise InvalidSpec("spec.train.template", spec.template, f"give one of {', '.join(TEMPLATES)}")
    values = hyperparameters.parse(spec.hyperparameters, template.hyperparameters)
    tf = loader.tensorflow()
    tf.keras.utils.set_random_seed(spec.seed)
    assert context.encoder is not None
    outputs = len(context.classes) if spec.label.classification else 1
    model = template.build(context.encoder.shape, outputs, values)
    trainer = _Trainer(context, model, values)
    history = trainer.fit()
    context.network = network(model, context.classes, trainer.scale)
    context.training = {
        "template": spec.template,
        "hyperparameters": {name: _text(value) for name, value in values.items()},
        "seed": spec.seed,
        "parameters": int(model.count_params()),
        "epochs": len(history),
        "bestEpoch": trainer.best_epoch,
        "losses": [f"{loss:.6g}" for loss in history],
    }
    return "Succeeded"


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def network(model: Any, classes: tuple[str, ...], scale: tuple[float, float]) -> Any:
    """The module that is published: `core` takes encoded rows to probabilities, or to values in the label's unit."""
    tf = loader.tensorflow()
    mean, deviation = scale

    def core(x: Any) -> Any:
        output = model(x, training=False)
        return tf.nn.softmax(output) if classes else output * deviation + mean

    module = tf.Module(name="network")
    module.model = model
    shape = [None, *model.input_shape[1:]]
    module.core = tf.function(core, input_signature=[tf.TensorSpec(shape, tf.float32, name="x")], autograph=False)
    return module


class _Trainer:
    """The loop. `scale` is (mean, deviation) of a regression's labels, which the network predicts standardised."""

    def __init__(self, context: Context, model: Any, values: hyperparameters.Values) -> None:
        self._context, self._model, self._values = context, model, values
        self._tf = loader.tensorflow()
        self._classification = context.spec.label.classification
        targets = context.targets("train")
        self.scale = (0.0, 1.0)
        if not self._classification:
            deviation = float(targets.std())
            self.scale = (float(targets.mean()), deviation if deviation > 0 else 1.0)
        self._x = self._tf.constant(context.encoded["train"])
        self._y = self._tf.constant(self._standard(targets))
        self._w = self._tf.constant(self._weights(targets))
        self._optimizer = self._tf.keras.optimizers.Adam(float(values["learningRate"]))  # type: ignore[arg-type]
        self.best_epoch = 0

    def _standard(self, targets: NDArray[Any]) -> NDArray[Any]:
        if self._classification:
            return targets
        return ((targets - self.scale[0]) / self.scale[1]).astype(np.float32)

    def _weights(self, targets: NDArray[Any]) -> NDArray[np.float32]:
        given = self._context.splits["train"].weights
        weights = np.ones(len(targets), dtype=np.float32) if given is None else given
        if self._values["classWeights"] == "Balanced" and self._classification:
            counts = np.bincount(targets, minlength=len(self._context.classes))
            weights = weights * (len(targets) / (len(counts) * np.maximum(counts, 1)))[targets]
        scaled: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
        return scaled

    def _losses(self, output: Any, y: Any) -> Any:
        if self._classification:
            return self._tf.nn.sparse_softmax_cross_entropy_with_logits(y, output)
        return self._tf.square(output[:, 0] - y)

    def fit(self) -> list[float]:
        """Train; the loss on the evaluate split by epoch. The best epoch's weights are the model's afterwards."""
        tf, context = self._tf, self._context
        stopping = context.spec.early_stopping
        patience = int(stopping.get("patience", 5))
        by_accuracy = stopping.get("metric") == "val_accuracy" and self._classification
        epochs, batch = int(self._values["epochs"]), int(self._values["batchSize"])  # type: ignore[arg-type]
        self._optimizer.build(self._model.trainable_variables)
        epoch_of = self._epoch_function(batch)
        held_x, held_y = (
            tf.constant(context.encoded["evaluate"]),
            tf.constant(self._standard(context.targets("evaluate"))),
        )
        evaluate = self._evaluate_function()
        random = np.random.default_rng(context.spec.seed)
        best, best_weights, history, began = np.inf, self._model.get_weights(), [], time.monotonic()
        for epoch in range(1, epochs + 1):
            order = random.permutation(len(context.encoded["train"])).astype(np.int32)
            epoch_of(tf.constant(order))
            loss, accuracy = (float(one) for one in evaluate(held_x, held_y))
            if not np.isfinite(loss):
                text = f"the loss is no number after epoch {epoch}; lower the hyperparameter learningRate"
                raise InvalidSpec("spec.train.hyperparameters[learningRate]", self._values["learningRate"], text)
            history.append(loss)
            score = -accuracy if by_accuracy else loss
            if score < best - 1e-6:
                best, self.best_epoch, best_weights = score, epoch, self._model.get_weights()
            left = (time.monotonic() - began) / epoch * (epochs - epoch)
            context.progress.epoch(epoch, epochs, loss, left)
            if patience and epoch - self.best_epoch >= patience:
                break
        if self.best_epoch == 0:
            raise TryAgain("NoProgress", "training gave no better model than chance in any epoch")
        self._model.set_weights(best_weights)
        return history

    def _epoch_function(self, batch: int) -> Any:
        tf, model, optimizer = self._tf, self._model, self._optimizer
        x, y, w = self._x, self._y, self._w
        rows = int(x.shape[0])
        batch = min(batch, rows)

        def step(at: Any, order: Any) -> Any:
            chosen = order[at : at + batch]
            with tf.GradientTape() as tape:
                output = model(tf.gather(x, chosen), training=True)
                losses = self._losses(output, tf.gather(y, chosen)) * tf.gather(w, chosen)
                loss = tf.reduce_mean(losses) + sum(model.losses)
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            return at + batch

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def epoch(order: Any) -> Any:
            return tf.while_loop(
                lambda at: at < rows, lambda at: (step(at, order),), (tf.constant(0),), parallel_iterations=1
            )

        return epoch

    def _evaluate_function(self) -> Any:
        tf, model = self._tf, self._model

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def evaluate(x: Any, y: Any) -> Any:
            output = model(x, training=False)
            loss = tf.reduce_mean(self._losses(output, y))
            if not self._classification:
                return loss, tf.constant(0.0)
            hits = tf.equal(tf.argmax(output, axis=1, output_type=tf.int32), y)
            return loss, tf.reduce_mean(tf.cast(hits, tf.float32))

        return evaluate
