"""Sweep: delete versions and runs that retention no longer covers, once two sweeps in succession have found them so.

A thing is deleted in two phases (`ropewalk_model.store`): it vanishes at once, so that a server that polls `models/`
never sees half of a version, and its files go then. What a crash leaves is deleted by the next sweep.
"""

from __future__ import annotations

import errno
import logging

from ropewalk_contract import reasons
from ropewalk_contract.documents.helper_job_result import MAX_DELETED, Swept
from ropewalk_model.store import HIDDEN
from ropewalk_trainer.errors import UserError
from ropewalk_trainer.helper_jobs import contents, retention, sweep_state
from ropewalk_trainer.helper_jobs.contents import MODELS, RUNS, Damaged, Version
from ropewalk_trainer.helper_jobs.failures import of_store
from ropewalk_trainer.helper_jobs.report import Report
from ropewalk_trainer.helper_jobs.sweep_state import SweepState, Thing
from ropewalk_trainer.helper_jobs.task import Retention, Task
from ropewalk_trainer.store.layout import Store

_BUSY = (errno.ENOTEMPTY, errno.EBUSY)
log = logging.getLogger(__name__)


def run(task: Task) -> Report:
    """Sweep the store. StoreOwnedByAnother, and nothing touched, if it bears another uid."""
    rules = task.retention()
    own = Store.of(task.artifacts_uri, task.namespace, task.pipeline)
    uid = contents.owner(own)
    if uid is None:
        return Report(reasons.STORE_ABSENT, f"{own.uri} has no owner yet; nothing is swept", _Sweep(own).content(0))
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
                    self._erase(f"{folder}/{name}")

    def delete(self, thing: Thing) -> None:
        """Make the thing vanish, then delete it."""
        folder, number = thing
        try:
            hidden = self.own.files.begin_delete(f"{folder}/{number}")
        except OSError as error:
            self._failed(f"{folder}/{number}", error)
            return
        self.deleted.append(thing)
        self._erase(hidden)

    def _erase(self, path: str) -> None:
        try:
            freed = self.own.files.finish_delete(path)
        except OSError as error:
            self.unfinished += 1
            # NFS keeps a file that somebody has open under a name of its own; it is gone by the next sweep.
            if error.errno not in _BUSY:
                self._failed(path, error)
        else:
            self.freed += freed

    def _failed(self, path: str, error: OSError) -> None:
        """Remember the first failure under the path of the whole thing: rmtree names a file without its folder."""
        log.error("%s/%s is not deleted: %s", self.own.directory, path, error)
        self.failure = self.failure or OSError(error.errno, error.strerror, str(self.own.directory / path))

    def content(self, waiting: int) -> Swept:
        """Content of the result; `waiting` counts the things that the next sweep may delete."""
        versions, runs = (
            tuple(number for place, number in self.deleted if place == folder)[-MAX_DELETED:]
            for folder in (MODELS, RUNS)
        )
        return Swept(versions, runs, waiting + self.unfinished, self.freed)

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
        return Report(reasons.SWEPT, text, self.content(len(left.since)), failure)
