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
from ropewalk_trainer.templates.layers import Network
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
    outputs = len(context.classes) if spec.label.classification else 1
    network = template.build(context.encoder, outputs, values, spec.seed)
    scale = _scale(context)
    if store.exists(context.files, context.path(NOTES)):
        context.training = json.loads(store.read(context.files, context.path(NOTES)))
        context.trained = _load(network, context, scale)
        return "Cached"
    held = fitting.Rows(context.encoded["evaluate"], _targets(context, "evaluate", scale), np.ones(1, np.float32))
    rows = fitting.Rows(context.encoded["train"], _targets(context, "train", scale), _weights(context, values))
    found = fitting.fit(network, rows, held, _settings(context, values), context.progress.epoch)
    context.trained = Trained(network, found.weights, spec.label.classification, scale)
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


def _settings(context: Context, values: hyperparameters.Values) -> fitting.Settings:
    stopping = context.spec.early_stopping
    classification = context.spec.label.classification
    return fitting.Settings(
        classification=classification,
        epochs=int(_number(values["epochs"])),
        batch=int(_number(values["batchSize"])),
        rate=_number(values["learningRate"]),
        l2=_number(values["l2"]),
        seed=context.spec.seed,
        patience=int(stopping.get("patience", 5)),
        by_accuracy=classification and stopping.get("metric") == "val_accuracy",
    )


def _number(value: object) -> float:
    assert isinstance(value, (int, float))
    return float(value)


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _scale(context: Context) -> tuple[float, float]:
    """(mean, deviation) of the training rows' labels in a regression."""
    if context.spec.label.classification:
        return 0.0, 1.0
    targets = context.targets("train").astype(np.float64)
    deviation = float(targets.std())
    return float(targets.mean()), deviation if deviation > 0 else 1.0


def _targets(context: Context, split: str, scale: tuple[float, float]) -> NDArray[Any]:
    targets = context.targets(split)
    if context.spec.label.classification:
        return targets
    return ((targets - scale[0]) / scale[1]).astype(np.float32)


def _weights(context: Context, values: hyperparameters.Values) -> NDArray[np.float32]:
    """Weights of the training rows with mean 1: the given ones, times the classes' where they are asked for."""
    given = context.splits["train"].weights
    targets = context.targets("train")
    weights = np.ones(len(targets), dtype=np.float32) if given is None else given
    if values["classWeights"] == "Balanced" and context.spec.label.classification:
        counts = np.bincount(targets, minlength=len(context.classes))
        weights = weights * (len(targets) / (len(counts) * np.maximum(counts, 1)))[targets]
    scaled: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return scaled


def _save(context: Context, weights: list[NDArray[np.float32]]) -> None:
    with context.files.create(context.path(WEIGHTS)) as file:
        np.savez(file, *weights)
    context.store.write_json(context.path(NOTES), context.training)


def _load(network: Network, context: Context, scale: tuple[float, float]) -> Trained:
    with context.files.open(context.path(WEIGHTS)) as file, np.load(file) as stored:
        weights = [stored[f"arr_{index}"] for index in range(len(network.initial))]
    return Trained(network, weights, context.spec.label.classification, scale)
