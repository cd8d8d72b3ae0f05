"""Text and Timestamp with TensorFlow's operations: what `ropewalk_model.text` and `.timestamps` do, step for step."""

from __future__ import annotations

from typing import Any

from ropewalk_model import text, timestamps
from ropewalk_model.features import CLIP, Encoding
from ropewalk_model.timestamps import CYCLES, DAY

_NO_TIME = "1970-01-01T00:00:00Z"


def vocabulary(tf: Any, words: list[str]) -> Any:
    """Words to token ids. A table may not be empty, so that it holds a space, which is no word, in any case."""
    values = [text.UNKNOWN, *range(text.FIRST_WORD, text.FIRST_WORD + len(words))]
    initializer = tf.lookup.KeyValueTensorInitializer(tf.constant([" ", *words]), tf.constant(values, tf.int64))
    return tf.lookup.StaticHashTable(initializer, default_value=text.UNKNOWN)


def tokens(tf: Any, one: Encoding, table: Any, column: Any) -> Any:
    """float32 [N, max_tokens]: ids of a text's first words, then padding."""
    most = one.spec.max_tokens
    codes = tf.strings.unicode_decode(column, "UTF-8")[:, : text.MAX_CHARACTERS]
    folded = tf.gather(tf.constant(text.table()), tf.minimum(codes.flat_values, text.TABLE_SIZE - 1))
    plain = tf.strings.unicode_encode(codes.with_flat_values(folded), "UTF-8")
    spaced = tf.strings.regex_replace(plain, f"[{text.ALONE}]", r" \0 ")
    words = tf.strings.split(spaced, maxsplit=most)[:, :most]
    ids = words.with_flat_values(table.lookup(words.flat_values))
    return tf.cast(ids.to_tensor(text.PADDING, shape=[None, most]), tf.float32)


def cycles(tf: Any, one: Encoding, column: Any) -> list[Any]:
    """float32 [N, timestamps.WIDTH], and [N, 1] that says what is missing where that may be."""
    moments, there = _seconds(tf, column)
    scaled = (tf.cast(moments, tf.float64) - tf.constant(one.mean, tf.float64)) * tf.constant(one.scale, tf.float64)
    scaled = tf.clip_by_value(scaled, tf.constant(-CLIP, tf.float64), tf.constant(CLIP, tf.float64))
    parts = [tf.cast(scaled, tf.float32)[:, None]]
    for cycle, (length, step, first) in enumerate(CYCLES):
        parts.append(tf.gather(tf.constant(timestamps.waves(cycle)), (moments - first) % length // step))
    whole = tf.concat(parts, axis=1)
    filled = tf.where(there[:, None], whole, tf.zeros_like(whole))
    return [filled, tf.cast(~there, tf.float32)[:, None]] if one.spec.optional else [filled]


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
