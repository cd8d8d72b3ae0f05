"""The gate that every write to the cluster passes: it counts, asks who leads, and can end the process on purpose."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from . import metrics

T = TypeVar("T")


class NotLeading(Exception):
    """A write was held back because this process does not hold the Lease (any more)."""


class WriteFence:
    """Counts writes; refuses them without the Lease; crashes where a test asks for it.

    `fault` is the value of ROPEWALK_FAULT: `crash:N:before` or `crash:N:after` ends the process with status 137 right
    before or right after the N-th write (from 1), as a kill would, to prove that any restart converges.
    """

    def __init__(self, leading: Callable[[], bool], fault: str = "") -> None:
        self._leading = leading
        self._count = 0
        self._crash_at, self._crash_when = 0, ""
        if fault:
            kind, _, rest = fault.partition(":")
            number, _, when = rest.partition(":")
            if kind != "crash" or not number.isdigit() or when not in ("before", "after"):
                raise ValueError(f"ROPEWALK_FAULT={fault!r}: write crash:N:before or crash:N:after, N from 1")
            self._crash_at, self._crash_when = int(number), when

    async def write(self, verb: str, kind: str, action: Callable[[], Awaitable[T]]) -> T:
        """Run `action`, one write. Raises NotLeading without having run it when the Lease is not held."""
        if not self._leading():
            raise NotLeading(f"{verb} {kind}")
        self._count += 1
        number = self._count  # of this write: others may begin before it ends
        self._crash(number, "before")
        result = await action()
        metrics.WRITES.labels(verb, kind).inc()
        self._crash(number, "after")
        return result

    def _crash(self, number: int, when: str) -> None:
        if number == self._crash_at and when == self._crash_when:
            os._exit(137)
