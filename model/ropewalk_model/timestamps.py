"""Times of RFC 3339 as whole seconds, and their position in the day, the week and the year.

The SavedModel does the same with TensorFlow's operations (`ropewalk_trainer.tf_encoding.timestamp`). Both sides
use the one pattern below, count with integers and read cycles from the same tables, so that they agree to the last bit.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.tensor_spec import INT64_MISSING

PATTERN = (
    r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)"
    r"([.][0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
"""In the words of RE2 and Python alike; whether the month has the day is for the calendar."""
EXAMPLE = "2026-01-31T09:30:00Z"
DAY, WEEK = 86_400, 7 * 86_400
YEAR = 31_556_952
"""Seconds of the calendar's mean year, 365.2425 days."""
MONDAY = 4 * DAY
"""Seconds from the epoch, a Thursday, to the first Monday."""
CYCLES = ((DAY, 60, 0), (WEEK, 3600, MONDAY), (YEAR, DAY, 0))
"""Length, step and first second after the epoch of day, week and year: the minute of the day, the hour of the week
that begins on Monday, the day of the year, all in UTC."""
WIDTH = 1 + 2 * len(CYCLES)
"""Columns of an encoded time: its standardised seconds, then a sine and a cosine for each cycle."""
LONGEST = 64
"""Characters of a time, of which any number might be digits of its fraction."""
_PATTERN = re.compile(PATTERN)
_EPOCH = date(1970, 1, 1).toordinal()


def seconds(text: str) -> int | None:
    """Whole seconds since the epoch, fractions cut off; None if it is no time of RFC 3339.

    A leap second may only be a day's last in UTC, and is the next day's first.
    """
    if len(text) > LONGEST:
        return None
    found = _PATTERN.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None
    offset = found[8]
    east = 0 if offset in "Zz" else int(offset[0] + "1") * (int(offset[1:3]) * 3600 + int(offset[4:6]) * 60)
    moment = days * DAY + hour * 3600 + minute * 60 + second - east
    return moment if second < 60 or moment % DAY == 0 else None


def column_seconds(column: NDArray[Any]) -> NDArray[np.int64]:
    """A column of texts; INT64_MISSING for what is no time, the empty text of a missing one among it."""
    found = (seconds(text) for text in column)
    return np.fromiter((INT64_MISSING if one is None else one for one in found), np.int64, len(column))


def text_of(moment: datetime | date) -> str:
    """RFC 3339 of a date (its midnight) or a time; without a zone it is UTC."""
    if not isinstance(moment, datetime):
        return f"{moment.isoformat()}T00:00:00Z"
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


@cache
def waves(cycle: int) -> NDArray[np.float32]:
    """Sine and cosine of each step of CYCLES[cycle]: float32 [steps, 2]."""
    length, step, _ = CYCLES[cycle]
    angles = [2.0 * math.pi * at / length for at in range(0, length, step)]
    found = np.array([(math.sin(one), math.cos(one)) for one in angles], dtype=np.float32)
    found.flags.writeable = False
    return found


def places(moments: NDArray[np.int64], cycle: int) -> NDArray[np.int64]:
    """The steps of CYCLES[cycle] in which these seconds lie."""
    length, step, first = CYCLES[cycle]
    return (moments - first) % length // step


def encode(
    column: NDArray[Any], mean: float, scale: float, clip: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """float32 [N, WIDTH] of a column of texts, all zero for what is no time; and which these are."""
    moments = column_seconds(column)
    missing = moments == INT64_MISSING
    moments[missing] = 0
    encoded = np.empty((len(column), WIDTH), dtype=np.float32)
    encoded[:, 0] = np.clip((moments.astype(np.float64) - mean) * scale, -clip, clip)
    for cycle in range(len(CYCLES)):
        encoded[:, 1 + 2 * cycle : 3 + 2 * cycle] = waves(cycle)[places(moments, cycle)]
    encoded[missing] = 0.0
    return encoded, missing
