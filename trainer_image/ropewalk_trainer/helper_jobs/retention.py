"""Which versions and runs a spec's `artifacts.keep` no longer covers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ropewalk_trainer.helper_jobs.contents import Version
from ropewalk_trainer.helper_jobs.report import BLESSED
from ropewalk_trainer.helper_jobs.task import Retention


def removable_versions(numbers: Iterable[int], complete: Sequence[Version], rules: Retention) -> set[int]:
    """Versions that are older than the newest `keep_versions` complete ones, not in use, and not the last Blessed.

    `complete` is sorted, the newest first. What is damaged takes no good version's place, and goes by its age too.
    The greatest number always stays, so that none is given twice.
    """
    kept = complete[: rules.keep_versions]
    if len(kept) < rules.keep_versions:
        return set()
    blessed = [one.number for one in complete if one.blessing == BLESSED]
    return {number for number in numbers if number < kept[-1].number} - set(blessed[:1]) - rules.used_versions


def removable_runs(numbers: Sequence[int], made: Iterable[int], rules: Retention) -> set[int]:
    """Runs older than the newest `keep_runs`, not in use, and not in `made`, the runs of the versions that stay.

    `numbers` is sorted, the newest first.
    """
    return set(numbers[rules.keep_runs :]) - set(made) - rules.used_runs
