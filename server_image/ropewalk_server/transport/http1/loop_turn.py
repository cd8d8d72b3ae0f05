"""Requests that have come in one turn of the event loop, answered together at its end.

Under load the loop finds many sockets readable at once. To read them all first, and then to answer all requests in one
go, lets the model compute them in one call, and costs half the processor time of one after the other: between two
system calls the interpreter's code has left the processor's caches. Nothing is waited for: a lone request is answered
in the same turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from ropewalk_server.log import log, place
from ropewalk_server.transport.http1.types import Answer, ErrorForm, Request

MOST_BYTES = 16 * 1024
"""Of the body of a request that joins: a larger one gains little, and many of them would take memory."""
Together = Callable[[Sequence[Request]], Sequence[Answer]]
"""Answers to requests that have nothing to do with each other, in their order."""


class Asking(Protocol):
    """A client's connection."""

    def answer(self, answer: Answer, request: Request) -> None:
        """Take the answer to the request that it joined with."""

    def abort(self) -> None:
        """Close at once."""


class LoopTurn:
    """The requests of this turn."""

    def __init__(self, handler: Together, error: ErrorForm) -> None:
        self._handler = handler
        self._error = error
        self._joined: list[tuple[Asking, Request]] = []

    def join(self, connection: Asking, request: Request) -> None:
        """Have a request answered at the turn's end."""
        if not self._joined:
            asyncio.get_running_loop().call_soon(self.end)
        self._joined.append((connection, request))

    def end(self) -> None:
        """Answer those that have joined so far."""
        joined, self._joined = self._joined, []
        requests = [request for _, request in joined]
        for (connection, request), answer in zip(joined, self._answers(requests), strict=True):
            try:
                connection.answer(answer, request)
            except Exception as error:  # one connection's bug must not cost the others their answers
                log("error", "answer failed", error=place(error))
                connection.abort()

    def _answers(self, requests: Sequence[Request]) -> Sequence[Answer]:
        try:
            return self._handler(requests)
        except Exception as error:
            log("error", "requests failed", error=place(error))
            return [self._error(500, "Internal error")] * len(requests)
