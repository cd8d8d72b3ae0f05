"""Which commit subjects are too long."""

from __future__ import annotations

from tools.commit_subjects import MOST, too_long


def test_the_subject_counts_without_the_hash() -> None:
    """At most 72 characters."""
    log = f"abc1234 {'x' * MOST}\nabc1235 {'y ' * 36}z\n"
    assert too_long(log) == [f"abc1235 {'y ' * 36}z"]
