"""A custom runtime of MLServer."""

from __future__ import annotations

import engine
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Network(MLModel):
    """The model."""

    async def load(self) -> bool:
        """Load the network."""
        self.predict_rows = engine.load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Probabilities."""
        rows = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        output = NumpyCodec.encode_output(name="y", payload=self.predict_rows(rows))
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
