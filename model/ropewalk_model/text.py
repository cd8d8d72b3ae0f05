"""Words of a text: one rule for training, serving and the SavedModel, written as a table.

Libraries differ here. TensorFlow's `lower` (with an ICU of its own) folds 41 characters differently from Python 3.11
and stops at a NUL. Its regular expressions count 4,430 other characters as letters or marks. The next release of either
may differ again. So both sides map every character by the table below and then split at spaces. The table comes from
the database of Unicode 3.2, which Python keeps unchanged (internationalised domain names need it).

- Letters, marks and digits make words, without case (`casefold` if it gives one character). A character that is younger
  than Unicode 3.2 is part of a word, unchanged: Bengali U+09CE, for instance.
- Each ideograph and each symbol, emoji included, is a word of its own.
- Every other character separates words. Composed and decomposed accents differ. Scripts without spaces (Thai) are split
  at separators only.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

MAX_CHARACTERS = 16_384
"""Only so many characters of a text are read, by everyone: a text of megabytes must not hold up others. A thousand
words, the most that a model takes, may have 16 each."""
PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2
"""Token ids: no word, a word outside the vocabulary, the vocabulary's first."""
ALONE = "\u2190-\u2bff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001f000-\U0001faff\U00020000-\U000323af"
"""Characters that are words of their own, as ranges of a regular expression: the same in Python's and in RE2's."""
SPACE = 32
TABLE_SIZE = 0x323B1
"""No letter is known beyond; the last entry, a separator, stands for all that follow."""
_SEPARATORS = (
    *((0x2000, 0x206F), (0x20A0, 0x20CF), (0x2E00, 0x2E7F), (0xE000, 0xF8FF), (0xFDD0, 0xFDEF), (0xFE00, 0xFE0F)),
    *((plane | 0xFFFE, plane | 0xFFFF) for plane in range(0, TABLE_SIZE - 0xFFFF, 0x10000)),
)
"""Separators, whatever Unicode 3.2 says: punctuation, currencies, private use, variation selectors, no characters."""


@cache
def table() -> NDArray[np.int32]:
    """The table: each character becomes itself, its folded form, or a space if it separates."""
    known = unicodedata.ucd_3_2_0
    alone = _stand_alone().tolist()
    found = np.full(TABLE_SIZE, SPACE, dtype=np.int32)
    for code in range(TABLE_SIZE - 1):
        character = chr(code)
        kind = known.category(character)
        if kind[0] in "LMN":
            folded = character.casefold() if kind in ("Lu", "Ll", "Lt") else character
            found[code] = ord(folded if len(folded) == 1 else character.lower()[0])
        elif kind == "Cn" or alone[code]:
            found[code] = code
    for first, last in _SEPARATORS:
        found[first : last + 1] = SPACE
    found.flags.writeable = False
    return found


@cache
def _stand_alone() -> NDArray[np.bool_]:
    found = np.zeros(TABLE_SIZE, dtype=np.bool_)
    for first, last in zip(ALONE[::3], ALONE[2::3], strict=True):
        found[ord(first) : ord(last) + 1] = True
    found.flags.writeable = False
    return found


@cache
def _ascii() -> bytes:
    return bytes(table()[:128].astype(np.uint8)) + b" " * 128


def words(text: str, most: int) -> list[str]:
    """The first words of a text, folded; no more than `most`."""
    text = text[:MAX_CHARACTERS]
    if text.isascii():
        return text.encode().translate(_ascii()).decode().split(None, most)[:most]
    codes = np.minimum(np.frombuffer(text.encode("utf-32-le", "replace"), dtype="<u4"), TABLE_SIZE - 1)
    folded = table()[codes]
    alone = _stand_alone()[codes]
    if alone.any():
        times = np.where(alone, 3, 1)
        ends = times.cumsum()[alone]
        folded = folded.repeat(times)
        folded[ends - 1] = folded[ends - 3] = SPACE
    spaced: str = folded.astype("<i4", copy=False).tobytes().decode("utf-32-le")
    return spaced.split(None, most)[:most]
