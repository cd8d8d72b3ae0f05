"""Labels of earlier predictions: each is counted once, for the version that its receipt names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ropewalk_server.serving.predictor import digest_bytes
from ropewalk_server.serving.versions import Versions
from ropewalk_server.telemetry.buckets import BinSource
from ropewalk_server.telemetry.receipts import InvalidReceipt, Receipts
from ropewalk_server.telemetry.recorder import Recorder


class Feedback:
    """Counts labels of the versions that are loaded, and of those that answered here before."""

    def __init__(self, versions: Versions, recorder: Recorder, receipts: Receipts) -> None:
        self._versions = versions
        self._recorder = recorder
        self._receipts = receipts

    def count(self, labels: Sequence[tuple[str, str]]) -> list[tuple[int, str]]:
        """Count pairs of a receipt and the true class; the indices of those that are refused, with the reason."""
        sources = self._sources()
        digests = {version: digest_bytes(one.manifest_digest) for version, one in sources.items()}
        refused = []
        for index, (ident, label) in enumerate(labels):
            try:
                self._count(ident, label, sources, digests)
            except InvalidReceipt as why:
                self.reject()
                refused.append((index, str(why)))
        return refused

    def reject(self) -> None:
        """Count feedback that cannot be read."""
        self._recorder.feedback_rejected += 1

    def _sources(self) -> dict[int, BinSource]:
        loaded = {number: one.model for number, one in self._versions.held.items() if one.model is not None}
        return {**self._recorder.former, **loaded}

    def _count(self, ident: str, label: str, sources: Mapping[int, BinSource], digests: dict[int, bytes]) -> None:
        """Count one label, once. Raises InvalidReceipt."""
        receipt = self._receipts.read(ident, digests)
        model = sources[receipt.version]
        if label not in model.classes:
            known = ", ".join(model.classes[:20])
            raise InvalidReceipt(f"label {label[:60]!r} is none of the classes {known}")
        if self._receipts.first_label(ident):
            truth = model.classes.index(label)
            lag = self._receipts.lag(receipt)
            self._recorder.labelled(receipt.version, model, predicted=receipt.predicted, truth=truth, lag=lag)
