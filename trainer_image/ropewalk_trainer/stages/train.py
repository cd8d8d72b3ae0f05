"""Train: fit the template's network, stop early on the evaluate split, keep the best epoch.

The weights are kept in the store, so that an attempt after a later stage's failure does not train again.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import store
from ropewalk_trainer.context import Context
from ropewalk_trainer.errors import InvalidSpec
from ropewalk_trainer.templates import TEMPLATES
from ropewalk_trainer.templates.layers import Network, Weights
from ropewalk_trainer.tf_head import TF_HEADS
from ropewalk_trainer.tf_head.base import TfHead
from ropewalk_trainer.training import fitting, hyperparameters
from ropewalk_trainer.training.trained_model import Trained

WEIGHTS, NOTES = "train/weights.npz", "train/training.json"
"""The notes are written last."""


def run(context: Context) -> str:
    """Fill in `trained` and `training`."""
    spec = context.spec
    template = TEMPLATES.get(spec.template)
    if template is None:
        raise InvalidSpec("spec.train.template", spec.template, f"give one of {', '.join(TEMPLATES)}")
    values = hyperparameters.parse(spec.hyperparameters, template.hyperparameters)
    assert context.encoder is not None
    head = TF_HEADS[spec.label.task]
    network = template.build(context.encoder, head.task.core_width(context.classes), values, spec.seed)
    scale = head.task.scale(context.targets("train"))
    if store.exists(context.files, context.path(NOTES)):
        context.training = json.loads(store.read(context.files, context.path(NOTES)))
        context.trained = Trained(network, _load(context, network), head, scale)
        return "Cached"
    targets = {split: head.task.standardized(context.targets(split), scale) for split in ("train", "evaluate")}
    held = fitting.Rows(context.encoded["evaluate"], targets["evaluate"], np.ones(1, np.float32))
    rows = fitting.Rows(context.encoded["train"], targets["train"], _weights(context, values))
    found = fitting.fit(network, rows, held, _settings(context, head, values), context.progress.epoch)
    context.trained = Trained(network, found.weights, head, scale)
    context.training = {
        "template": spec.template,
        "hyperparameters": {name: _text(value) for name, value in values.items()},
        "seed": spec.seed,
        "parameters": network.parameters,
        "epochs": len(found.losses),
        "bestEpoch": found.best_epoch,
        "losses": [f"{loss:.6g}" for loss in found.losses],
    }
    _save(context, found.weights)
    return "Succeeded"


def _settings(context: Context, head: TfHead, values: hyperparameters.Values) -> fitting.Settings:
    stopping = context.spec.early_stopping
    return fitting.Settings(
        head=head,
        epochs=int(_number(values["epochs"])),
        batch=int(_number(values["batchSize"])),
        rate=_number(values["learningRate"]),
        l2=_number(values["l2"]),
        seed=context.spec.seed,
        patience=int(stopping.get("patience", 5)),
        by_accuracy=head.has_accuracy and stopping.get("metric") == "val_accuracy",
    )


def _number(value: object) -> float:
    assert isinstance(value, (int, float))
    return float(value)


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _weights(context: Context, values: hyperparameters.Values) -> NDArray[np.float32]:
    """Weights of the training rows with mean 1: the given ones, times the classes' where they are asked for."""
    given = context.splits["train"].weights
    targets = context.targets("train")
    weights: NDArray[Any] = np.ones(len(targets), dtype=np.float32) if given is None else given
    balance = context.spec.label.task.balance(targets, context.classes)
    if values["classWeights"] == "Balanced" and balance is not None:
        weights = weights * balance
    scaled: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return scaled


def _save(context: Context, weights: list[NDArray[np.float32]]) -> None:
    with context.files.create(context.path(WEIGHTS)) as file:
        np.savez(file, *weights)
    context.store.write_json(context.path(NOTES), context.training)


def _load(context: Context, network: Network) -> Weights:
    with context.files.open(context.path(WEIGHTS)) as file, np.load(file) as stored:
        return [stored[f"arr_{index}"] for index in range(len(network.initial))]
