"""Children that only the operator writes: listed when a spec is new, when one is deleted, and every ten minutes.

Which kinds these are stands in `core/kinds.py`.
In the passes between them these kinds count as unknown, and of an unknown kind the core asserts and writes nothing.
What they should be follows from the spec and the operator's own settings alone, so nothing is missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..core.plan import Json
from .queue import Key

LOOK_AGAIN = 600.0


class QuietChildren:
    """When each resource's quiet children were last known to be as they should. Lost with the process: looked anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Key, tuple[tuple[str, int], float]] = {}

    def due(self, key: Key, owner: Json) -> bool:
        """Whether they have to be listed in this pass. An owner without status has none yet."""
        if not owner.get("status"):
            return False
        seen, at = self._known.get(key, (("", 0), 0.0))
        return seen != _identity(owner) or self._clock() - at > LOOK_AGAIN

    def settled(self, key: Key, owner: Json) -> None:
        """They were listed and compared, and all that was amiss has been written."""
        self._known[key] = (_identity(owner), self._clock())

    def forget(self, key: Key) -> None:
        """Something happened to one of them, or the resource is gone."""
        self._known.pop(key, None)


def _identity(owner: Json) -> tuple[str, int]:
    meta = owner["metadata"]
    return str(meta.get("uid", "")), int(meta.get("generation") or 0)
