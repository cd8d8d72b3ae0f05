"""Rows of every feature type, and the documents that a version of them has in the store."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ropewalk_model import baseline
from ropewalk_model.features import FeatureSpec, fit
from ropewalk_model.signature import Signature, TensorSpec

SPECS = (
    FeatureSpec("size", "Number"),
    FeatureSpec("weight", "Number", optional=True),
    FeatureSpec("age", "Integer"),
    FeatureSpec("visits", "Integer", optional=True),
    FeatureSpec("member", "Boolean"),
    FeatureSpec("asked", "Boolean", optional=True),
    FeatureSpec("plan", "Category", values=("free", "pro", "team")),
    FeatureSpec("city", "Category", optional=True),
    FeatureSpec("comment", "Text", optional=True, max_vocabulary=20, max_tokens=6),
    FeatureSpec("at", "Timestamp", optional=True),
)
PICTURE = FeatureSpec("picture", "Image", shape=(2, 3, 1))
TENSOR = FeatureSpec("x", "Tensor", shape=(2, 2))
ROWS = 200
CLASSES = ("no", "yes")
WORDS = ("good", "bad", "never", "again", "slow", "Thanks", "\u00e9cole", "\u65e5\u672c")


def columns() -> dict[str, np.ndarray]:
    """Wire values of all features, missing ones among them where they may be."""
    random = np.random.default_rng(5)
    missing = random.random((len(SPECS), ROWS)) < 0.1
    said = [" ".join(random.choice(WORDS, random.integers(0, 8))) for _ in range(ROWS)]
    when = [f"2026-01-{1 + n % 28:02}T{n % 24:02}:00:00Z" for n in range(ROWS)]
    words: dict[str, list[str]] = {
        "asked": random.choice(["true", "false"], ROWS).tolist(),
        "plan": random.choice(["free", "pro"], ROWS).tolist(),
        "city": [f"city{n}" for n in random.geometric(0.1, ROWS)],
        "comment": said,
        "at": when,
    }
    found: dict[str, Any] = {
        "size": random.normal(3, 2, ROWS).astype(np.float32),
        "weight": np.where(missing[1], np.nan, random.gamma(2, 40, ROWS)).astype(np.float32),
        "age": random.integers(0, 90, ROWS),
        "visits": np.where(missing[3], -(2**63), random.poisson(2, ROWS)),
        "member": random.random(ROWS) < 0.3,
    }
    for index, spec in enumerate(SPECS):
        if spec.name in words:
            column = np.empty(ROWS, dtype=object)
            told = zip(words[spec.name], missing[index], strict=True)
            column[:] = ["" if spec.optional and gone else one for one, gone in told]
            found[spec.name] = column
    found["picture"] = random.integers(0, 256, (ROWS, 2, 3, 1)).astype(np.uint8)
    found["x"] = random.normal(size=(ROWS, 2, 2)).astype(np.float32)
    return found


def documents() -> dict[str, str]:
    """JSON by the document's name, as it is written."""
    rows = columns()
    labels = np.array(CLASSES, dtype=object)[(np.asarray(rows["size"]) > 3).astype(int)]
    values = np.asarray(rows["weight"], dtype=np.float32)
    found: dict[str, Any] = {}
    kinds = {"table": SPECS, "picture": (PICTURE,), "tensor": (TENSOR,)}
    for name, specs in kinds.items():
        encoder = fit(specs, rows)
        inputs = [one.tensor for one in specs]
        known = encoder.known_words
        found[f"{name}/features.json"] = encoder.document()
        found[f"{name}/encoded"] = [encoder.encode(rows).astype(np.float64).round(6).sum(), *encoder.shape]
        found[f"{name}/classes/signature.json"] = Signature.for_task(
            "Classification", inputs, CLASSES, "yes"
        ).document()
        found[f"{name}/classes/baseline.json"] = baseline.build(specs, rows, labels, classes=CLASSES, known=known)
        found[f"{name}/values/signature.json"] = Signature.for_task("Regression", inputs).document()
        hidden = baseline.build(specs, rows, values, sensitive=("size", "city", "comment", "at"), known=known)
        found[f"{name}/values/baseline.json"] = hidden
        found[f"{name}/values/public-baseline.json"] = baseline.public(hidden, None)
    found["tensor/signature.json"] = Signature.for_tensor(TENSOR.tensor, TensorSpec("y", "FLOAT", (-1, 3))).document()
    return {name: json.dumps(document) for name, document in found.items()}
