"""baseline.json: histograms of features and predictions over the training data of a version."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract.documents.fields import integer
from ropewalk_model import FORMAT_VERSION, histograms
from ropewalk_model.features import Columns, FeatureSpec
from ropewalk_model.features.bins import Bins
from ropewalk_model.tasks import CLASSIFICATION, REGRESSION


@dataclass(frozen=True)
class Baseline:
    """Bins and counts by feature, in the features' order, and of the predictions."""

    bins: Mapping[str, Bins]
    counts: Mapping[str, tuple[int, ...]]
    prediction_bins: Bins
    prediction_counts: tuple[int, ...]
    rows: int
    positive: int | None = None
    """Index of the positive class, if the label names one."""

    @staticmethod
    def from_document(document: Mapping[str, Any], known: Mapping[str, Container[str]] | None = None) -> Baseline:
        """Parse baseline.json. ValueError for another format or counts that do not fit their bins.

        To count texts, and not only to compare counts of them, `known` are the words of each that the model knows.
        """
        if document.get("formatVersion") != FORMAT_VERSION:
            raise ValueError(f"baseline.json has formatVersion {document.get('formatVersion')!r}, not 1")
        bins = {one["name"]: histograms.from_document(one["bins"]) for one in document["features"]}
        bins |= {name: bins[name].knowing(words) for name, words in (known or {}).items() if name in bins}
        counts = {one["name"]: _counts(one["counts"]) for one in document["features"]}
        for name, one in bins.items():
            if len(counts[name]) != one.size:
                raise ValueError(f"baseline.json: {name} has {len(counts[name])} counts for {one.size} bins")
        predictions = document["predictions"]
        predicted = histograms.from_document(predictions["bins"])
        positive = document.get("positive")
        return Baseline(
            bins=bins,
            counts=counts,
            prediction_bins=predicted,
            prediction_counts=_counts(predictions["counts"]),
            rows=integer(document["rows"], "baseline.json: rows"),
            positive=predicted.values.index(positive) if positive in predicted.values else None,
        )


def build(
    features: Sequence[FeatureSpec],
    columns: Columns,
    predictions: NDArray[Any],
    *,
    classes: Sequence[str] = (),
    sensitive: Collection[str] = (),
    known: Mapping[str, Container[str]] | None = None,
) -> dict[str, Any]:
    """baseline.json of these rows and their predictions (labels if there are classes, else values).

    `known` are the words of each Text that the model knows. The column of a Text may be one of other rows, those that
    no word was learnt from: among the others there are fewer unknown ones than there will be in traffic.
    Of `sensitive` features it holds values too, or nothing could be counted, and says that they are.
    """
    described = []
    for spec in features:
        bins = spec.kind.bins(spec, columns[spec.name], (known or {}).get(spec.name, ()))
        if bins is None:
            continue
        bins = replace(bins, sensitive=spec.name in sensitive)
        counts = bins.count(columns[spec.name]).tolist()
        described.append({"name": spec.name, "type": spec.type, "bins": bins.document(), "counts": counts})
    predicted = np.asarray(predictions, dtype=object) if classes else predictions
    prediction_bins = (CLASSIFICATION if classes else REGRESSION).prediction_bins(predicted, classes)
    return {
        "formatVersion": FORMAT_VERSION,
        "rows": len(predicted),
        "features": described,
        "predictions": {"bins": prediction_bins.document(), "counts": prediction_bins.count(predicted).tolist()},
    }


def _counts(values: Iterable[object]) -> tuple[int, ...]:
    return tuple(integer(value, "baseline.json: counts") for value in values)


def public(document: Mapping[str, Any], positive: str | None) -> dict[str, Any]:
    """baseline.json for those who compare counts with it: which class is the positive one, and no sensitive values."""
    features = [
        {**one, "bins": histograms.from_document(one["bins"]).public.document()} for one in document.get("features", ())
    ]
    return {**document, "features": features, "positive": positive}
