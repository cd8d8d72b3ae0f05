"""A hand-written FastAPI service: typed request and answer, a plain `def` endpoint, which runs in the thread pool."""

from __future__ import annotations

from typing import Any

import engine
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

predict_rows = engine.load()
app = FastAPI()


class PredictRequest(BaseModel):
    """Rows of any shape."""

    instances: list[Any]


class PredictResponse(BaseModel):
    """One list of probabilities a row."""

    predictions: list[list[float]]


@app.post("/predict")
def predict(request: PredictRequest) -> PredictResponse:
    """Probabilities of the rows."""
    rows = np.asarray(request.instances, dtype=np.float32)
    return PredictResponse(predictions=predict_rows(rows).tolist())
