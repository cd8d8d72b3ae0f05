"""Validate: what the schema demands of the data, counted and named; statistics into the store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_model import store
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
    single = label.task.single_label(whole.labels)
    if single is not None:
        raise DataError(reasons.SINGLE_CLASS_LABEL, f"{label.name} has {single}")
    context.classes = label.classes or label.task.classes_of(whole.labels)
    if not context.classes:
        return
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
        outside = column.spec.kind.present(values) & ((values < low) | (values > high))
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
    train = context.splits["train"].columns
    return {
        "formatVersion": 1,
        "rows": context.source_rows,
        "splits": {name: len(rows) for name, rows in context.splits.items()},
        "anomalies": [one.document() for one in found],
        "features": {
            column.name: column.spec.kind.describe(train[column.name], sensitive=column.sensitive)
            for column in context.spec.features
        },
        "label": context.spec.label.task.describe(context.splits["train"].labels),
    }
