"""The access log: a few lines a second, never a payload, the caller's trace by its W3C trace context.

Each second the first request that went well and the first ERRORS others are written; `left_out` counts those that were
not. A client that sends errors as fast as it can must not fill a disk.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from ropewalk_server.log import log

ERRORS = 10
TRACEPARENT = b"traceparent"
TRACERESPONSE = b"traceresponse"
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")


def trace_of(traceparent: bytes | None) -> bytes | None:
    """The trace id of https://www.w3.org/TR/trace-context/, None where there is none or it is malformed."""
    found = None if traceparent is None else _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found[3] is not None and traceparent is not None and traceparent.startswith(b"00")):
        return None
    return found[1]


def trace_response(trace: bytes) -> bytes:
    """The header `traceresponse` for a caller's trace: this server's part of it, which it has not recorded."""
    return b"00-%b-%b-00" % (trace, os.urandom(8).hex().encode())


class AccessLog:
    """One port's requests. `clock` gives seconds, `write` takes level, message and fields."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, write: Callable[..., None] = log) -> None:
        self.clock = clock
        self._write = write
        self._next = self._errors_from = 0.0
        self._errors = 0
        self._left_out = 0

    def went_well(self, began: float, requests: int = 1) -> bool:
        """Count requests that began then, by the clock; whether one of them is to be written."""
        if began < self._next:
            self._left_out += requests
            return False
        self._left_out += requests - 1
        self._next = began + 1.0
        return True

    def failed(self, began: float) -> bool:
        """Count a request that got an error; whether it is one to be written."""
        if began >= self._errors_from + 1.0:
            self._errors_from, self._errors = began, 0
        self._errors += 1
        if self._errors > ERRORS:
            self._left_out += 1
        return self._errors <= ERRORS

    def line(self, protocol: str, path: bytes, began: float, trace: bytes | None, **fields: object) -> None:
        """Write a line of a request that is answered now."""
        if trace is not None:
            fields["trace_id"] = trace.decode()
        left_out, self._left_out = self._left_out, 0
        self._write(
            "info",
            "request",
            protocol=protocol,
            path=path[:200].decode("latin-1"),
            seconds=round(self.clock() - began, 6),
            left_out=left_out,
            **fields,
        )
