"""Events, read off the difference between the status that is stored and the one that replaces it.

So each happens once, whichever operator writes that status and however often a pass is repeated.
"""

from __future__ import annotations

from ropewalk.core.conditions import find
from ropewalk.core.plan import Event, Json
from ropewalk_contract.api import conditions as api

from ..versions import get


def events(before: Json, after: Json) -> tuple[Event, ...]:
    """The Events that `kubectl describe` shows."""
    found = []
    live, old = after.get("live"), before.get("live")
    if live is not None and any(get(live, key) != get(old, key) for key in ("version", "uri")):
        same = get(live, "version") == get(old, "version")
        new, former = (
            f"version {get(one, 'version')}" + (f" of {get(one, 'uri')}" if same else "") for one in (live, old)
        )
        instead = f", instead of {former}" if old else ""
        found.append(Event("Normal", api.LIVE, f"{new} answers predictions{instead}"))
    failure, known = after.get("lastFailure"), before.get("lastFailure")
    # An import that fails as it did before has failed again; a pod's message may change with its next start.
    telling = ("reason", "message", "at") if get(failure, "location") == "Import" else ("reason", "message")
    news = any(get(failure, key) != get(known, key) for key in telling)
    if failure is not None and news and get(failure, "location") != "Model":
        where = f"pod {get(failure, 'pod')}: " if get(failure, "pod") else ""
        found.append(Event("Warning", str(get(failure, "reason")), f"{where}{get(failure, 'message')}"))
    drift, stood = find(after.get("conditions"), api.DATA_DRIFT), find(before.get("conditions"), api.DATA_DRIFT)
    if get(drift, "status") == "True" and get(stood, "status") != "True":
        found.append(Event("Warning", api.DRIFTED, str(get(drift, "message"))))
    return tuple(found)
