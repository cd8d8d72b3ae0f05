"""Sweep: delete versions and runs that retention no longer covers, once two sweeps in succession have found them so.

A thing vanishes at once, by a rename to a hidden name, and is deleted then: whoever polls `models/` never sees half
of a version. What a crash leaves under a hidden name is deleted by the next sweep.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
from pathlib import Path

from ropewalk_contract import reasons
from ropewalk_trainer.errors import UserError
from ropewalk_trainer.helper_jobs import contents, retention, sweep_state
from ropewalk_trainer.helper_jobs.contents import MODELS, RUNS, Damaged, Version
from ropewalk_trainer.helper_jobs.failures import of_store
from ropewalk_trainer.helper_jobs.report import Report
from ropewalk_trainer.helper_jobs.sweep_state import SweepState, Thing
from ropewalk_trainer.helper_jobs.task import Retention, Task
from ropewalk_trainer.store.layout import Store

HIDDEN = ".deleted-"
MOST_TOLD = 20
_BUSY = (errno.ENOTEMPTY, errno.EBUSY)
log = logging.getLogger(__name__)


def run(task: Task) -> Report:
    """Sweep the store. StoreOwnedByAnother, and nothing touched, if it bears another uid."""
    rules = task.retention()
    own = Store.of(task.artifacts_uri, task.namespace, task.pipeline)
    uid = contents.owner(own)
    if uid is None:
        return Report(reasons.STORE_ABSENT, f"{own.uri} has no owner yet; nothing is swept", _Sweep(own).fields(0))
    if uid != task.uid:
        text = f"{own.uri} belongs to the Pipeline with uid {uid} and is not swept; give another spec.artifacts.uri"
        raise UserError(reasons.STORE_OWNED_BY_ANOTHER, text)
    remembered = sweep_state.load(own, task.uid)
    unreferenced = removable(own, rules)
    seen = remembered.after(unreferenced, rules.now)
    _note(own, task.uid, seen)
    sweep = _Sweep(own)
    sweep.collect_hidden()
    for thing in remembered.due(unreferenced, rules.now, rules.grace):
        sweep.delete(thing)
    left = seen.without(sweep.deleted)
    if sweep.deleted:
        sweep_state.save(own, task.uid, left)
    return sweep.report(remembered, left, rules)


def _note(own: Store, uid: str, seen: SweepState) -> None:
    """Save before anything is deleted: what is referenced again must be forgotten even if the sweep crashes."""
    try:
        sweep_state.save(own, uid, seen)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        log.warning("there is no space for %s before something is deleted", sweep_state.NAME)


def removable(own: Store, rules: Retention) -> set[Thing]:
    """What retention does not cover as the store is now."""
    numbers = contents.numbers(own, MODELS)
    complete = [one for one in (_version(own, number) for number in numbers) if one is not None]
    versions = retention.removable_versions(numbers, complete, rules)
    made = {one.run_id for one in complete if one.number not in versions}
    runs = retention.removable_runs(contents.numbers(own, RUNS), made, rules)
    return {(MODELS, number) for number in versions} | {(RUNS, number) for number in runs}


def _version(own: Store, number: int) -> Version | None:
    try:
        return contents.version(own, number)
    except Damaged as error:
        log.warning("%s", error)
        return None


class _Sweep:
    """Deletes and counts. An OSError ends one deletion, not the sweep; the first one is its failure."""

    def __init__(self, own: Store) -> None:
        self.own = own
        self.deleted: list[Thing] = []
        self.freed = 0
        self.unfinished = 0
        self.failure: OSError | None = None

    def collect_hidden(self) -> None:
        """Delete what an earlier sweep had renamed and could not finish."""
        for folder in (MODELS, RUNS):
            for name in contents.names(self.own, folder):
                if name.startswith(HIDDEN):
                    self._erase(self.own.directory / folder / name)

    def delete(self, thing: Thing) -> None:
        """Make the thing vanish, then delete it."""
        folder, number = thing
        path = self.own.directory / folder / str(number)
        hidden = path.with_name(f"{HIDDEN}{number}")
        try:
            os.rename(path, hidden)
        except OSError as error:
            self._failed(path, error)
            return
        self.deleted.append(thing)
        self._erase(hidden)

    def _erase(self, path: Path) -> None:
        try:
            freed = _unlocked(path)
            if stat.S_ISDIR(os.lstat(path).st_mode):
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            self.unfinished += 1
            # NFS keeps a file that somebody has open under a name of its own; it is gone by the next sweep.
            if error.errno not in _BUSY:
                self._failed(path, error)
        else:
            self.freed += freed

    def _failed(self, path: Path, error: OSError) -> None:
        """Remember the first failure under the path of the whole thing: rmtree names a file without its folder."""
        log.error("%s is not deleted: %s", path, error)
        self.failure = self.failure or OSError(error.errno, error.strerror, str(path))

    def fields(self, waiting: int) -> dict[str, object]:
        """What the operator is told; `waiting` counts what the next sweep may delete."""
        told = {folder: [number for place, number in self.deleted if place == folder] for folder in (MODELS, RUNS)}
        return {
            "deletedVersions": told[MODELS][-MOST_TOLD:],
            "deletedRuns": told[RUNS][-MOST_TOLD:],
            "waiting": waiting + self.unfinished,
            "freedBytes": self.freed,
        }

    def report(self, remembered: SweepState, left: SweepState, rules: Retention) -> Report:
        """The outcome in words and numbers."""
        versions = sum(folder == MODELS for folder, _ in self.deleted)
        text = f"deleted {versions} versions and {len(self.deleted) - versions} runs of {self.own.uri}"
        text += f" ({self.freed} bytes); {len(left.since) + self.unfinished} wait for the next sweep"
        if remembered.behind(rules.now) and remembered.latest is not None:
            latest, now = sweep_state.written(remembered.latest), sweep_state.written(rules.now)
            text += f"; {sweep_state.NAME} was written at {latest}, which is later than now ({now}): "
            text += "nothing is deleted until then; if that time is wrong, remove the file"
        failure = None if self.failure is None else of_store(self.failure)
        return Report(reasons.SWEPT, text, self.fields(len(left.since)), failure)


def _unlocked(path: Path) -> int:
    """Bytes of all files below; directories that user code made read-only become writable, else they could not go."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        return os.lstat(path).st_size
    found, folders = 0, [path]
    while folders:
        folder = folders.pop()
        if stat.S_IMODE(os.lstat(folder).st_mode) & stat.S_IRWXU != stat.S_IRWXU:
            folder.chmod(stat.S_IRWXU)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    found += entry.stat(follow_symlinks=False).st_size
    return found
