"""Timestamp with TensorFlow's operations: what `ropewalk_model.timestamps` does, step for step."""

from __future__ import annotations

from typing import Any

from ropewalk_model import timestamps
from ropewalk_model.features import Encoding
from ropewalk_model.timestamps import CYCLES, DAY
from ropewalk_trainer.tf_encoding.base import TfEncoding
from ropewalk_trainer.tf_encoding.standardized import scaled

_NO_TIME = "1970-01-01T00:00:00Z"


def encode(tf: Any, one: Encoding, table: Any, column: Any) -> Any:
    """float32 [N, timestamps.WIDTH], and one column more that says what is missing where that may be."""
    moments, there = _seconds(tf, column)
    parts = [tf.cast(scaled(tf, one, moments), tf.float32)[:, None]]
    for cycle, (length, step, first) in enumerate(CYCLES):
        parts.append(tf.gather(tf.constant(timestamps.waves(cycle)), (moments - first) % length // step))
    whole = tf.concat(parts, axis=1)
    filled = tf.where(there[:, None], whole, tf.zeros_like(whole))
    return tf.concat([filled, tf.cast(~there, tf.float32)[:, None]], axis=1) if one.spec.optional else filled


def _seconds(tf: Any, column: Any) -> tuple[Any, Any]:
    """Seconds since the epoch, int64, and whether the text is a time at all; 0 where it is none."""
    there = tf.strings.regex_full_match(column, timestamps.PATTERN) & (tf.strings.length(column) <= timestamps.LONGEST)
    plain = tf.strings.regex_replace(tf.where(there, column, _NO_TIME), r"[.][0-9]+", "")
    plain = tf.strings.regex_replace(plain, "[Zz]$", "+00:00")

    def number(at: int, digits: int) -> Any:
        return tf.strings.to_number(tf.strings.substr(plain, at, digits), tf.int64)

    year, month, day, second = number(0, 4), number(5, 2), number(8, 2), number(17, 2)
    east = number(20, 2) * 3600 + number(23, 2) * 60
    east = tf.where(tf.equal(tf.strings.substr(plain, 19, 1), "-"), -east, east)
    moments = _days(year, month, day, tf) * DAY + number(11, 2) * 3600 + number(14, 2) * 60 + second - east
    there &= (second < 60) | tf.equal(moments % DAY, 0)
    there &= (year > 0) & (day <= _last_day(year, month, tf))
    return tf.where(there, moments, tf.zeros_like(moments)), there


def _days(year: Any, month: Any, day: Any, tf: Any) -> Any:
    """Days since the epoch: Hinnant, chrono-Compatible Low-Level Date Algorithms, days_from_civil; years from 1 on."""
    year = tf.where(month <= 2, year - 1, year)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719_468


def _last_day(year: Any, month: Any, tf: Any) -> Any:
    leap = tf.equal(year % 4, 0) & (tf.not_equal(year % 100, 0) | tf.equal(year % 400, 0))
    days = tf.gather(tf.constant([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], tf.int64), month - 1)
    return tf.where(leap & tf.equal(month, 2), days + 1, days)


TIMESTAMP = TfEncoding(encode)
