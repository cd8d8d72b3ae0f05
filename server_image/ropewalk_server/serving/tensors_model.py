"""A version whose signatures take and give any tensors (an imported SavedModel), one `Model` for each signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ropewalk_contract import reasons
from ropewalk_model import calls, manifest
from ropewalk_model.calls import Call
from ropewalk_model.signature import Signature
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.decoders import Decoders
from ropewalk_server.serving.engines import EngineError
from ropewalk_server.serving.engines.saved_model import SavedModel
from ropewalk_server.serving.model import Curve, LoadError, Model, Parts, micros

UNMEASURED = Curve(10_000.0, 0.0)
"""Of a signature without examples: not for the event loop."""


class TensorsModel(Model):
    """One signature of a SavedModel. Its core is the named outputs."""

    def __init__(
        self, parts: Parts, signature: Signature, engine: SavedModel, engine_name: str, decoders: Decoders
    ) -> None:
        self.signature = signature
        self.baseline = parts.baseline
        self.baseline_document = parts.baseline_document
        self.digest = parts.manifest.model_digest
        self.manifest_digest = parts.manifest.digest
        self.engine_name = engine_name
        self.decoder = self.tensors = decoders.tensors(signature)
        self.classes = ()
        self.features = {}
        self.curve = UNMEASURED
        self.offers: Sequence[manifest.Engine] = ()
        self.named = {signature.name: self}
        self._saved = engine

    def predict(self, batch: Batch) -> Any:
        """The outputs by name."""
        return self._saved.call(self.signature.name, batch.columns)

    def session(self) -> Any:
        """Nothing a thread needs of its own."""
        return self._saved

    def faster_engine(self, rows: float) -> str | None:
        """There is one engine."""
        return None

    @property
    def batches(self) -> bool:
        """Two requests may have different open sizes, and need not have rows."""
        return False


def load_tensors(parts: Parts, offer: manifest.Engine, decoders: Decoders) -> Model:
    """Load the SavedModel and replay the calls of every signature. Raises LoadError."""
    try:
        engine = SavedModel(parts.manifest, parts.signature.all)
        models = {one.name: TensorsModel(parts, one, engine, offer.name, decoders) for one in parts.signature.all}
        for model in models.values():
            made = calls.of(parts.examples, model.signature.name, model.signature.inputs, model.signature.outputs)
            model.curve = _replayed(model, made, float(parts.examples["tolerance"]))
            model.named = models
    except EngineError as error:
        raise LoadError(error.reason, str(error)) from error
    except manifest.TamperedModel as error:
        raise LoadError(reasons.TAMPERED_MODEL, str(error)) from error
    except OSError as error:
        raise LoadError(reasons.STORE_UNREADABLE, f"The store cannot be read: {error.strerror}") from error
    except RuntimeError as error:
        raise LoadError(
            reasons.EXAMPLES_FAILED, f"{offer.name}: an example cannot be computed: {str(error)[:300]}"
        ) from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LoadError(reasons.UNSUPPORTED_FORMAT, f"The version's examples cannot be read: {error!r}") from error
    return models[parts.signature.name]


def _replayed(model: TensorsModel, made: Sequence[Call], tolerance: float) -> Curve:
    """The cost of the calls, after each was compared with its answer at the import. Raises LoadError."""
    costs = []
    for call in made:
        batch = model.tensors.batch(call.inputs, None)
        difference = calls.disagreement(call.outputs, model.predict(batch), tolerance)
        if difference is not None:
            text = f"{model.engine_name}: signature {call.signature}: {difference}"
            raise LoadError(reasons.EXAMPLES_DISAGREE, text)
        costs.append((batch.rows, micros(model, batch)))
    if not costs:
        return UNMEASURED
    (few, cheap), (many, dear) = min(costs), max(costs)
    return Curve.through(cheap, many, dear) if few == 1 < many else Curve(dear, 0.0)
