"""Preprocess: learn the encoding from the training rows alone, and encode every split with it."""

from __future__ import annotations

from ropewalk_model import features
from ropewalk_trainer.context import Context


def run(context: Context) -> str:
    """Fill in `encoder` and `encoded`."""
    specs = [column.spec for column in context.spec.features]
    context.encoder = features.fit(specs, context.splits["train"].columns)
    context.encoded = {name: context.encoder.encode(rows.columns) for name, rows in context.splits.items()}
    return "Succeeded"
