"""Validate: what the schema demands of the data, counted and named; statistics into the store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_model import store, timestamps
from ropewalk_model.signature import INT64_MISSING
from ropewalk_model.store import Damaged
from ropewalk_trainer.context import Context
from ropewalk_trainer.data.table import Table, concatenate
from ropewalk_trainer.errors import AnomalousData, Anomaly, DataError
from ropewalk_trainer.run_document import Column, decimal
from ropewalk_trainer.store.layout import RUNS

REMEDY = "correct the data, or allow it with spec.validate"


def run(context: Context) -> str:
    """Fill in `anomalies` and `classes`. AnomalousData where the spec does not tolerate what was found."""
    whole = concatenate(list(context.splits.values()))
    found = [*context.found, *_rules(context, whole)]
    failing = [one for one in found if _action(context, one.reason) == "Fail"]
    context.anomalies = [one for one in found if _action(context, one.reason) == "Warn"]
    context.store.write_json(context.path("statistics.json"), _statistics(context, found))
    if failing:
        context.anomalies = failing
        raise AnomalousData(failing, REMEDY)
    _check_labels(context, whole)
    return "Succeeded"


def _action(context: Context, reason: str) -> str:
    rules = context.spec.validate
    for one in rules.get("exceptions") or ():
        if one.get("anomaly") == reason:
            return str(one.get("action"))
    if reason == reasons.NEW_COLUMN:
        return "Ignore"
    return str(rules.get("onAnomaly") or "Fail")


def _check_labels(context: Context, whole: Table) -> None:
    """What no model can be trained on: one class only, or a class that the training rows never show."""
    label = context.spec.label
    if not label.classification:
        if np.ptp(whole.labels) == 0:
            raise DataError(
                reasons.SINGLE_CLASS_LABEL, f"{label.name} has the one value {whole.labels[0]:g} in every row"
            )
        return
    seen = sorted(set(whole.labels.tolist()))
    if len(seen) < 2:
        raise DataError(
            reasons.SINGLE_CLASS_LABEL, f"{label.name} has the one class {seen[0]!r} in every row; two are needed"
        )
    context.classes = label.classes or tuple(seen)
    if label.positive is not None and label.positive not in context.classes:
        text = f"schema.label.positive {label.positive!r} is none of the classes {', '.join(context.classes[:10])}"
        raise DataError(reasons.UNKNOWN_CATEGORY, text)
    if len(set(context.splits["train"].labels.tolist())) < 2:
        text = (
            f"the training rows show one class of {label.name} only; add rows, or spread equal rows by source.split.key"
        )
        raise DataError(reasons.SINGLE_CLASS_LABEL, text)


def _rules(context: Context, whole: Table) -> list[Anomaly]:
    rows = context.spec.validate.get("rows") or {}
    found = []
    least = int(rows.get("min") or 1)
    if len(whole) < least:
        found.append(Anomaly("", reasons.MIN_ROWS, len(whole), 1.0, f"{len(whole)} rows, {least} are needed"))
    change = decimal(rows.get("maxChangeFromPrevious"), "spec.validate.rows.maxChangeFromPrevious")
    before = _previous_rows(context)
    if change is not None and before and abs(len(whole) - before) > change * before:
        found.append(Anomaly("", reasons.ROWS_CHANGED, len(whole), 1.0, f"{len(whole)} rows after {before}"))
    for column in context.spec.features:
        found += _feature(column, whole.columns[column.name])
    return found


def _feature(column: Column, values: NDArray[Any]) -> list[Anomaly]:
    found = []
    if column.minimum is not None or column.maximum is not None:
        low = -np.inf if column.minimum is None else column.minimum
        high = np.inf if column.maximum is None else column.maximum
        present = values != INT64_MISSING if column.spec.type == "Integer" else ~np.isnan(values)
        outside = present & ((values < low) | (values > high))
        if outside.any():
            found.append(_anomaly(column, reasons.OUT_OF_RANGE, values, outside))
    if column.spec.values is not None:
        unknown = ~np.isin(values, np.array([*column.spec.values, ""], dtype=object))
        if unknown.any():
            found.append(_anomaly(column, reasons.UNKNOWN_CATEGORY, values, unknown))
    return found


def _anomaly(column: Column, reason: str, values: NDArray[Any], mask: NDArray[np.bool_]) -> Anomaly:
    example = None if column.sensitive else str(values[int(np.argmax(mask))])[:60]
    return Anomaly(column.name, reason, int(mask.sum()), float(mask.mean()), example)


def _previous_rows(context: Context) -> int | None:
    """Rows of the latest earlier run whose record is in the store and that succeeded."""
    for number in range(context.run.run_id - 1, 0, -1):
        try:
            record = json.loads(store.read(context.files, f"{RUNS}/{number}/record.json"))
        except (OSError, ValueError, Damaged):
            continue
        if record.get("outcome") == "Succeeded" and record.get("rows"):
            return int(sum(record["rows"].values()))
    return None


def _statistics(context: Context, found: Sequence[Anomaly]) -> dict[str, Any]:
    sensitive = {column.name for column in context.spec.features if column.sensitive}
    return {
        "formatVersion": 1,
        "rows": context.source_rows,
        "splits": {name: len(rows) for name, rows in context.splits.items()},
        "anomalies": [one.document() for one in found],
        "features": {
            column.name: _describe(column, context.splits["train"].columns[column.name], column.name in sensitive)
            for column in context.spec.features
        },
        "label": _describe_label(context),
    }


def _describe(column: Column, values: NDArray[Any], sensitive: bool) -> dict[str, Any]:
    if column.spec.type in ("Number", "Integer"):
        present = values[~np.isnan(values)] if column.spec.type == "Number" else values[values != INT64_MISSING]
        if not len(present):
            return {"count": 0, "missing": len(values)}
        wide = present.astype(np.float64)
        quantiles = np.quantile(wide, (0.0, 0.25, 0.5, 0.75, 1.0))
        facts: dict[str, Any] = {"count": len(present), "missing": len(values) - len(present)}
        facts |= {"mean": float(wide.mean()), "deviation": float(wide.std()), "zeros": int((wide == 0).sum())}
        return facts | ({} if sensitive else {"quantiles": [float(q) for q in quantiles]})
    if column.spec.type == "Image":
        return {"count": len(values), "meanIntensity": float(values.mean() / 255.0)}
    if column.spec.type == "Text":
        lengths = [len(text) for text in values if text]
        facts = {"count": len(values), "missing": len(values) - len(lengths)}
        return facts | {"meanLength": float(np.mean(lengths)) if lengths else 0.0}
    if column.spec.type == "Timestamp":
        moments = timestamps.column_seconds(values)
        order = np.flatnonzero(moments != INT64_MISSING)[np.argsort(moments[moments != INT64_MISSING])]
        facts = {"count": len(values), "missing": len(values) - len(order)}
        span = {} if sensitive or not len(order) else {"first": values[order[0]], "last": values[order[-1]]}
        return facts | span
    words, counts = np.unique(values.astype(str), return_counts=True)
    order = np.argsort(-counts)[:20]
    top = {} if sensitive else {"top": {str(words[i]): int(counts[i]) for i in order}}
    return {
        "count": len(values),
        "missing": int((values.astype(str) == "").sum()),
        "distinct": len(words),
        **top,
    }


def _describe_label(context: Context) -> dict[str, Any]:
    labels = context.splits["train"].labels
    if not context.spec.label.classification:
        return {"count": len(labels), "mean": float(labels.mean()), "deviation": float(labels.std())}
    words, counts = np.unique(labels.astype(str), return_counts=True)
    return {"count": len(labels), "classes": {str(w): int(c) for w, c in zip(words, counts, strict=True)}}
