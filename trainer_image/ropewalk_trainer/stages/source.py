"""Source: read the raw data, convert it to the declared types, split it, and snapshot the splits by content.

Later stages and later attempts read the snapshot only, so a file replaced in between changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_contract.values import Digest
from ropewalk_model import store
from ropewalk_model.features import NUMBER, FeatureSpec
from ropewalk_trainer.context import Context
from ropewalk_trainer.data import formats, splits, table
from ropewalk_trainer.data.table import SPLITS, Table
from ropewalk_trainer.errors import AnomalousData, Anomaly, DataError
from ropewalk_trainer.run_document import Column, Label, Spec
from ropewalk_trainer.store import layout

SNAPSHOT, NOTES = "splits", "source.json"
"""The notes are the snapshot's last file."""


def run(context: Context) -> str:
    """Fill in `splits`, `fingerprint`, `source_rows` and `found`; skip a drift run whose source is as it was."""
    if store.exists(context.files, context.path(f"{SNAPSHOT}/{NOTES}")):
        _load(context)
        return "Cached"
    filesystem, paths = layout.matching(context.spec.source_uri, "spec.source.uri")
    files = [formats.File(path, filesystem.cat_file(path)) for path in paths]
    context.fingerprint = fingerprint(files)
    if _uncured(context):
        champion = context.run.champion
        text = f"the source is what version {champion.version if champion else '?'} was trained on: bring new data"
        context.skip = (reasons.DRIFT_UNCURED, text)
        return "Succeeded"
    whole, kept = read(context.spec, files, context.found)
    context.source_rows = whole
    digests = _digests(context.spec, kept)
    parts = _parts(context.spec, kept, digests)
    splits.check(parts)
    for code, name in enumerate(SPLITS):
        context.splits[name] = kept.table.take(parts == code)
        with context.files.create(context.path(f"{SNAPSHOT}/{name}.parquet")) as file:
            table.save(context.splits[name], file)
    document = {
        "formatVersion": 1,
        "fingerprint": context.fingerprint,
        "rows": whole,
        "files": [
            {"path": path.rsplit("/", 1)[-1], "size": len(file.data)} for path, file in zip(paths, files, strict=True)
        ],
        "anomalies": [one.document() for one in context.found],
    }
    context.store.write_json(context.path(f"{SNAPSHOT}/{NOTES}"), document)
    return "Succeeded"


def fingerprint(files: list[formats.File]) -> str:
    """sha256 over the contents of all files in the order of their names: the same data, the same fingerprint."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(hashlib.sha256(file.data).digest())
    return str(Digest(whole.hexdigest()))


def _uncured(context: Context) -> bool:
    champion = context.run.champion
    drift = context.run.trigger.get("type") == "Drift"
    return drift and champion is not None and champion.data_fingerprint == context.fingerprint


def _load(context: Context) -> None:
    document = json.loads(store.read(context.files, context.path(f"{SNAPSHOT}/{NOTES}")))
    context.fingerprint = document["fingerprint"]
    context.source_rows = int(document["rows"])
    context.found = [Anomaly.from_document(one) for one in document["anomalies"]]
    specs = [column.spec for column in context.spec.features]
    for name in SPLITS:
        with context.files.open(context.path(f"{SNAPSHOT}/{name}.parquet")) as file:
            context.splits[name] = table.load(file, specs)


class Kept:
    """The rows that can be used, and the raw columns that the split looks at."""

    def __init__(self, rows: Table, keys: list[Any] | None) -> None:
        self.table, self.keys = rows, keys


def read(spec: Spec, files: list[formats.File], found: list[Anomaly]) -> tuple[int, Kept]:
    """All rows of the files in wire values; rows that cannot be read are left out and told in `found`.

    Returns how many rows there were. Raises DataError where nothing can be trained on what is left.
    """
    label, extra = spec.label, _extra_columns(spec)
    wanted = list(dict.fromkeys([*(f.column for f in spec.features), label.column, *extra]))
    context = {
        "image": spec.features[0].column,
        "label": label.column,
        "shape": spec.features[0].spec.shape or (0, 0, 0),
    }
    raw = formats.READERS[spec.format](files, wanted, context)
    whole = raw.rows + len(raw.broken)
    if whole == 0:
        raise DataError(reasons.EMPTY_SOURCE, f"{spec.source_uri} has no rows")
    absent = [name for name in wanted if name not in raw.present]
    if absent:
        known = ", ".join(sorted(raw.extra)[:10])
        missing = [Anomaly(name, reasons.MISSING_COLUMN, 0, 1.0) for name in absent]
        raise AnomalousData(
            missing, f"the source has no column {absent[0]!r}" + (f" (it has {known})" if known else "")
        )
    if raw.broken:
        found.append(Anomaly("", reasons.WRONG_TYPE, len(raw.broken), len(raw.broken) / whole, raw.broken[0][:60]))
    found += [Anomaly(name, reasons.NEW_COLUMN, 0, 1.0) for name in sorted(raw.extra)[:20]]
    usable = np.ones(raw.rows, dtype=bool)
    columns = {f.name: _feature(f, raw.columns[f.column], usable, whole, found) for f in spec.features}
    sensitive = _sensitive(spec)
    labels = _labels(label, raw.columns[label.column], usable, whole, found, quote=label.column not in sensitive)
    weights = _weights(spec.weight, raw.columns, usable, whole, found, quote=spec.weight not in sensitive)
    if not usable.any():
        raise AnomalousData([one for one in found if one.count], "no row of the source can be read")
    rows = Table(columns, labels, weights).take(usable)
    keys = raw.columns[extra[0]] if extra and extra[0] != spec.weight else None
    return whole, Kept(rows, None if keys is None else [k for k, use in zip(keys, usable, strict=True) if use])


def _extra_columns(spec: Spec) -> list[str]:
    chosen = [spec.split.column if spec.split.by == "Time" else spec.split.key, spec.weight]
    return [name for name in chosen if name]


def _sensitive(spec: Spec) -> frozenset[str]:
    """Columns whose values are never quoted, whatever else they are used for."""
    return frozenset(column.column for column in spec.features if column.sensitive)


def _feature(
    column: Column, values: list[Any], usable: NDArray[np.bool_], whole: int, found: list[Anomaly]
) -> NDArray[Any]:
    converted = column.spec.kind.accept(column.spec, formats.as_array(values))
    bad = converted.bad
    if bad.any():
        example = None if column.sensitive else _example(values, bad)
        found.append(Anomaly(column.name, reasons.WRONG_TYPE, int(bad.sum()), float(bad.sum()) / whole, example))
        usable &= ~bad
    if converted.missing.any() and not column.spec.optional:
        count = int(converted.missing.sum())
        found.append(Anomaly(column.name, reasons.MISSING_VALUES, count, count / whole))
        usable &= ~converted.missing
    return converted.values


def _labels(
    label: Label, values: list[Any], usable: NDArray[np.bool_], whole: int, found: list[Anomaly], *, quote: bool
) -> NDArray[Any]:
    spec = FeatureSpec(label.name, label.type)
    converted = spec.kind.accept(spec, formats.as_array(values))
    missing = converted.missing | label.task.missing_labels(converted.values, label.classes or ())
    for mask, reason in ((converted.bad, reasons.WRONG_TYPE), (missing, reasons.NAN_LABEL)):
        if mask.any():
            example = _example(values, mask) if quote and reason == reasons.WRONG_TYPE else None
            found.append(Anomaly(label.name, reason, int(mask.sum()), float(mask.sum()) / whole, example))
            usable &= ~mask
    if label.classes is not None:
        strange = ~np.isin(converted.values, np.array(label.classes, dtype=object)) & ~missing
        if strange.any():
            count = int(strange.sum())
            example = _example(values, strange) if quote else None
            found.append(Anomaly(label.name, reasons.UNKNOWN_CATEGORY, count, count / whole, example))
            usable &= ~strange
    return label.task.stored_labels(converted.values)


def _weights(
    name: str | None,
    columns: dict[str, list[Any]],
    usable: NDArray[np.bool_],
    whole: int,
    found: list[Anomaly],
    *,
    quote: bool,
) -> NDArray[np.float32] | None:
    if name is None:
        return None
    converted = NUMBER.accept(FeatureSpec("weight", NUMBER.name), formats.as_array(columns[name]))
    bad = converted.bad | converted.missing | ~(converted.values > 0)
    if bad.any():
        example = _example(columns[name], bad) if quote else None
        found.append(Anomaly(name, reasons.OUT_OF_RANGE, int(bad.sum()), float(bad.sum()) / whole, example))
        usable &= ~bad
    return converted.values.astype(np.float32)


def _example(values: list[Any], mask: NDArray[np.bool_]) -> str:
    return str(values[int(np.argmax(mask))])[:60]


def _digests(spec: Spec, kept: Kept) -> list[bytes]:
    if spec.split.by == "Hash" and kept.keys is not None:
        return splits.key_digests(kept.keys)
    return table.row_digests(kept.table)


def _parts(spec: Spec, kept: Kept, digests: list[bytes]) -> NDArray[np.int8]:
    if spec.split.by == "Time" and kept.keys is not None:
        return splits.by_time(kept.keys, spec.split, sensitive=spec.split.column in _sensitive(spec))
    return splits.by_digest(digests, spec.split)
