"""The number of examples of a property test: all in `make test`, a share in `make check`, which is to be short."""

from __future__ import annotations

import os

PERCENT = int(os.environ.get("ROPEWALK_TEST_PERCENT", "100"))


def examples(full: int) -> int:
    """`full`, or the share of it that ROPEWALK_TEST_PERCENT asks for, at least 10."""
    return max(min(full, 10), full * PERCENT // 100)
