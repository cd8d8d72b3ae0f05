"""Files of every format to raw columns. Only declared columns are read, and no type is guessed.

Adding a format is one function and one line in `READERS`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ropewalk_contract import reasons
from ropewalk_model import pictures
from ropewalk_trainer.errors import DataError


@dataclass
class Raw:
    """Raw columns by the source's names, what else the files hold, and rows that could not be parsed at all."""

    columns: dict[str, list[Any]] = field(default_factory=dict)
    rows: int = 0
    present: set[str] = field(default_factory=set)
    extra: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class File:
    """A file's path and content."""

    path: str
    data: bytes


def read_csv(files: Iterable[File], wanted: Sequence[str], context: Mapping[str, Any]) -> Raw:
    """CSV with a header line, every value a string."""
    import pyarrow as pa
    from pyarrow import csv

    raw = Raw()
    for file in files:
        if not file.data.strip():
            raise DataError(reasons.EMPTY_SOURCE, f"{file.path} is empty")
        broken: list[str] = []

        def skip(row: Any, broken: list[str] = broken) -> str:
            broken.append(f"{row.actual_columns} values for {row.expected_columns} columns")
            return "skip"

        try:
            # The first block is read twice: what the header's reading skips is not counted.
            header = csv.open_csv(io.BytesIO(file.data), parse_options=_lenient(lambda row: "skip")).schema.names
            table = csv.read_csv(
                io.BytesIO(file.data),
                parse_options=_lenient(skip),
                convert_options=csv.ConvertOptions(
                    column_types={name: pa.string() for name in header},
                    include_columns=[name for name in wanted if name in header],
                    strings_can_be_null=False,
                ),
            )
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise DataError(reasons.WRONG_FORMAT, f"{file.path} is no CSV file: {str(error)[:200]}") from error
        raw.broken.extend(broken)
        _append(
            raw,
            {name: table[name].to_pylist() for name in table.column_names},
            table.num_rows,
            header,
            wanted,
        )
    return raw


def _lenient(skip: Callable[[Any], str]) -> Any:
    """Options to read on after a line with too many or too few values; the error would quote the line."""
    from pyarrow import csv

    return csv.ParseOptions(invalid_row_handler=skip, newlines_in_values=True)


def read_parquet(files: Iterable[File], wanted: Sequence[str], context: Mapping[str, Any]) -> Raw:
    """Parquet."""
    from pyarrow import ArrowException, parquet

    raw = Raw()
    for file in files:
        try:
            opened = parquet.ParquetFile(io.BytesIO(file.data))
            header = opened.schema_arrow.names
            table = opened.read(columns=[name for name in wanted if name in header])
            columns = {name: _whole_micros(table[name]).to_pylist() for name in table.column_names}
        except (ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataError(reasons.WRONG_FORMAT, f"{file.path} is no Parquet file: {str(error)[:200]}") from error
        _append(raw, columns, table.num_rows, header, wanted)
    return raw


def _whole_micros(column: Any) -> Any:
    """Times in nanoseconds cut to what Python's own can hold; other columns as they are."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    return column


def read_json_lines(files: Iterable[File], wanted: Sequence[str], context: Mapping[str, Any]) -> Raw:
    """One JSON object a line. A line that is none is broken, and told by its place: it may hold sensitive values."""
    raw = Raw()
    for file in files:
        columns: dict[str, list[Any]] = {name: [] for name in wanted}
        header: set[str] = set()
        rows = 0
        for number, line in enumerate(file.data.splitlines(), start=1):
            if not line.strip():
                continue
            row = _json_object(line)
            if row is None:
                raw.broken.append(f"line {number} of {file.path.rsplit('/', 1)[-1]}")
                continue
            header.update(row)
            rows += 1
            for name, values in columns.items():
                values.append(row.get(name))
        present = {name: values for name, values in columns.items() if name in header}
        _append(raw, present, rows, sorted(header), wanted)
    return raw


def _json_object(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None for anything else, half of a surrogate pair included: it is no text to store."""
    try:
        row = json.loads(line.decode("utf-8-sig"))
        if b"\\ud" in line.lower():
            json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def read_image_folder(files: Iterable[File], wanted: Sequence[str], context: Mapping[str, Any]) -> Raw:
    """PNG and JPEG files whose folder's name is their class. `context`: image and label columns, shape.

    They are decoded as the server does it; a file that the server would refuse is broken here.
    """
    raw = Raw()
    images: list[Any] = []
    labels: list[Any] = []
    for file in files:
        parts = file.path.split("/")
        if len(parts) < 2 or not parts[-1].lower().endswith((".png", ".jpg", ".jpeg")):
            raw.broken.append(parts[-1])
            continue
        try:
            pixels = pictures.decode(file.data, context["shape"])
        except ValueError:
            raw.broken.append(parts[-1])
            continue
        images.append(pixels)
        labels.append(parts[-2])
    columns = {context["image"]: images, context["label"]: labels}
    _append(raw, columns, len(images), list(columns), wanted)
    return raw


def _append(
    raw: Raw, columns: Mapping[str, list[Any]], rows: int, header: Sequence[str], wanted: Sequence[str]
) -> None:
    """Add a file's rows; a column that only some files have is missing in the others."""
    for name in wanted:
        before = raw.columns.get(name)
        if name in columns:
            values = columns[name]
            raw.columns[name] = values if before is None and not raw.rows else (before or [None] * raw.rows) + values
            raw.present.add(name)
        elif before is not None:
            raw.columns[name] = before + [None] * rows
    raw.rows += rows
    raw.extra.update(set(header) - set(wanted))


def as_array(values: list[Any]) -> Any:
    """A numpy array if these are plain numbers (for the fast path), else the list."""
    if values and all(type(value) is float for value in values):
        return np.asarray(values, dtype=np.float64)
    if values and all(type(value) is int for value in values):
        try:
            return np.asarray(values, dtype=np.int64)
        except OverflowError:
            return values
    return values


READERS: Mapping[str, Callable[[Iterable[File], Sequence[str], Mapping[str, Any]], Raw]] = {
    "CSV": read_csv,
    "Parquet": read_parquet,
    "JSONLines": read_json_lines,
    "ImageFolder": read_image_folder,
}
