"""sweep.json: since when each thing in a store has been unreferenced. One sweep notes it, a later one deletes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ropewalk_contract.documents.fields import Refused
from ropewalk_model import store
from ropewalk_trainer.helper_jobs.contents import MODELS, RUNS, Damaged
from ropewalk_trainer.helper_jobs.task import moment
from ropewalk_trainer.store.layout import Store

NAME = "sweep.json"
Thing = tuple[str, int]
"""Folder, `models` or `runs`, and number."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepState:
    """What earlier sweeps of the same Pipeline saw."""

    since: Mapping[Thing, datetime]
    latest: datetime | None
    """The time of the latest of these sweeps."""

    def behind(self, now: datetime) -> bool:
        """Whether the clock went back since: ages mean nothing until it has caught up."""
        return self.latest is not None and now < self.latest

    def due(self, removable: Iterable[Thing], now: datetime, grace: timedelta) -> list[Thing]:
        """What may be deleted: seen unreferenced by an earlier sweep, `grace` ago or more, and now again."""
        if self.behind(now):
            return []
        return sorted(thing for thing in removable if thing in self.since and now - self.since[thing] >= grace)

    def after(self, removable: Iterable[Thing], now: datetime) -> SweepState:
        """The memory of this sweep: whatever is referenced again or gone is forgotten.

        What is new bears the greater of `now` and `latest`, so that a clock that was wrong for an hour ages nothing.
        """
        latest = now if self.latest is None else max(now, self.latest)
        return SweepState({thing: self.since.get(thing, latest) for thing in removable}, latest)

    def without(self, deleted: Iterable[Thing]) -> SweepState:
        """The memory after these are gone."""
        gone = set(deleted)
        return SweepState({thing: since for thing, since in self.since.items() if thing not in gone}, self.latest)


def load(own: Store, uid: str) -> SweepState:
    """What sweep.json says. Nothing if it is another Pipeline's (the store was adopted since) or unreadable."""
    try:
        document = json.loads(store.read(own.files, NAME))
        if document["formatVersion"] != 1 or document["uid"] != uid:
            return SweepState({}, None)
        since = {
            (folder, int(number)): moment(time, NAME)
            for folder in (MODELS, RUNS)
            for number, time in document["unreferencedSince"][folder].items()
        }
        return SweepState(since, max([moment(document["sweptAt"], NAME), *since.values()]))
    except FileNotFoundError:
        return SweepState({}, None)
    except (Damaged, Refused, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        log.warning("%s is not readable, the wait begins anew: %s", NAME, error)
        return SweepState({}, None)


def save(own: Store, uid: str, memory: SweepState) -> None:
    """Write sweep.json, all of it or nothing."""
    assert memory.latest is not None
    since: dict[str, dict[str, str]] = {MODELS: {}, RUNS: {}}
    for (folder, number), time in sorted(memory.since.items()):
        since[folder][str(number)] = written(time)
    document: dict[str, Any] = {
        "formatVersion": 1,
        "uid": uid,
        "sweptAt": written(memory.latest),
        "unreferencedSince": since,
    }
    own.write_json(NAME, document)


def written(time: datetime) -> str:
    """RFC 3339 in UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
